import json
from pathlib import Path

import pytest

from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import ImageError
from clinica_t1nce.interfaces import DetectGadolinium
from tests.data.caps import DETECTOR, crop_path, head, save_weights, write_crop


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights"), calibration=DETECTOR))


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caps")
    return str(write_crop(crop_path(folder, "sub-01", "ses-1", "ce-gd"), head()))


def test_probabilities_and_failures_in_order(tmp_path, weights, crop):
    broken = crop_path(tmp_path, "sub-02", "ses-1")
    broken.parent.mkdir(parents=True)
    broken.touch()
    log = tmp_path / "journal"
    interface = DetectGadolinium(
        in_files=[str(broken), crop],
        model=weights,
        device="cpu",
        n_threads=1,
        continue_on_error=True,
        journal_dir=str(log),
    )
    outputs = interface.run(cwd=str(tmp_path)).outputs
    assert outputs.probabilities == [pytest.approx(0.880797)]
    assert json.loads(Path(outputs.out_files).read_text())["GadoliniumProbability"] > 0.88
    ((file, reason),) = outputs.failures
    assert file == str(broken)
    assert "an empty file" in reason
    events = event_log.latest(log)
    assert (events[str(broken)].status, events[crop].status) == ("failed", "done")
    with pytest.raises(ImageError, match="an empty file"):
        DetectGadolinium(in_files=[str(broken)], model=weights, device="cpu").run(cwd=str(tmp_path))


@pytest.mark.parametrize(
    ("outputs", "message"), [(["x.json"], "1 out_files"), (["x.json"] * 2, "to one file")]
)
def test_outputs_must_fit(tmp_path, weights, crop, outputs, message):
    interface = DetectGadolinium(in_files=[crop, crop], out_files=outputs, model=weights)
    with pytest.raises(ValueError, match=message):
        interface.run(cwd=str(tmp_path))


def test_every_input_is_described():
    traits = DetectGadolinium.input_spec().traits(transient=None)
    assert all(trait.desc for trait in traits.values())
    assert {name for name, trait in traits.items() if trait.mandatory} == {"in_files"}
