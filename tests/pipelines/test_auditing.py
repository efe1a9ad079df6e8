import pytest

from clinica_t1nce.models.storage import FAST_MODEL
from clinica_t1nce.pipelines import auditing
from tests.data.caps import save_weights


@pytest.mark.parametrize(
    ("model", "name"), [("default", None), ("fast", FAST_MODEL), ("other-v1", "other-v1")]
)
def test_images_go_by_the_name_of_their_weights(model: str, name: str | None) -> None:
    assert auditing.find_name(model) == name


def test_images_of_a_file_go_by_the_name_on_its_card(tmp_path) -> None:
    weights = save_weights(tmp_path, name="someone")
    assert auditing.find_name(str(weights)) == "someone"
