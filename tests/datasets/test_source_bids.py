import json

import pytest

from clinica_t1nce.datasets.source_bids import find_bids, open_bids
from clinica_t1nce.errors import SelectionError
from tests.data.bids import make_bids


def test_the_bids_is_the_one_that_clinica_noted(caps, tmp_path):
    assert find_bids(caps) == tmp_path / "view"
    description = caps / "dataset_description.json"
    content = json.loads(description.read_text())
    content["Processing"][0]["InputPath"] = "../moved"
    description.write_text(json.dumps(content))
    with pytest.raises(SelectionError, match=r"moved: no such folder.*--bids-directory"):
        find_bids(caps)
    content["Processing"].append({"Name": "t1-linear", "InputPath": str(tmp_path / "view")})
    description.write_text(json.dumps(content))
    with pytest.raises(SelectionError, match="several BIDS"):
        find_bids(caps)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Processing": [{"Name": "pet-linear"}]}'])
def test_a_caps_may_not_say_what_it_was_made_from(tmp_path, text):
    (tmp_path / "dataset_description.json").write_text(text)
    assert find_bids(tmp_path) is None


def test_words_need_a_bids(tmp_path):
    (tmp_path / "words.tsv").write_text("word\tmeaning\nfoo\tgiven\n")
    assert open_bids(tmp_path) is None
    with pytest.raises(SelectionError, match="name it with --bids-directory"):
        open_bids(tmp_path, agent_words=tmp_path / "words.tsv")
    bids = make_bids(tmp_path / "bids")
    assert open_bids(tmp_path, bids, tmp_path / "words.tsv").root == bids
