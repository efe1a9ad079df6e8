import csv
import json
from types import SimpleNamespace

import pytest

from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.errors import ImageError, WeightsError
from clinica_t1nce.translation import judgement
from tests.data.caps import MIXED, crop_path, head, make_caps, write_crop


class Judge:
    """Stands for a Synthesizer with a detector."""

    card = SimpleNamespace(name="judge", sha256="abc")

    def __init__(self, probability=0.25):
        self.probability = probability

    def __call__(self, volume, affine=None):
        return SimpleNamespace(gadolinium=self.probability)


@pytest.fixture
def crop(tmp_path):
    return write_crop(crop_path(tmp_path, "sub-01", "ses-1", "ce-gd"), head())


def test_a_judgement_is_written_and_found_again(crop, tmp_path):
    path = names.gadolinium_path(crop)
    content = judgement.detect(crop, path, Judge(), tmp_path)
    assert json.loads(path.read_text()) == content
    assert content["Sources"] == [f"bids::{crop.relative_to(tmp_path).as_posix()}"]
    assert path.parent.name == "t1_synth_nce"
    assert "ce-gd" in path.name
    assert judgement.read(crop, "judge", "abc") == 0.25
    assert judgement.read(crop, "judge", "other weights") is None


def test_what_the_synthesis_found_is_known(crop):
    assert judgement.read(crop, "m", "abc") is None
    image = names.in_space(names.output_path(crop, "m"), "native")
    image.parent.mkdir(parents=True)
    sidecar.write(image, {"GadoliniumProbability": 0.7, "Model": {"SHA256": "abc"}})
    assert judgement.read(crop, "m", "abc") == 0.7


def test_weights_without_detector_are_refused(crop):
    with pytest.raises(WeightsError, match="clinica-t1nce calibrate"):
        judgement.detect(crop, names.gadolinium_path(crop), Judge(None))
    assert not names.gadolinium_path(crop).exists()


def test_a_broken_crop_is_named(crop):
    crop.write_bytes(b"")
    with pytest.raises(ImageError, match="an empty file"):
        judgement.detect(crop, names.gadolinium_path(crop), Judge())


def test_the_table_tells_contradictions(tmp_path):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    crops = list(query.find_crops(caps))
    for (_, crop), probability in zip(crops, (0.9, 0.8), strict=False):
        path = names.gadolinium_path(crop)
        path.parent.mkdir(parents=True)
        content = {"GadoliniumProbability": probability, "Model": {"SHA256": "abc"}}
        path.write_text(json.dumps(content))
    judgement.rewrite(caps, crops, "judge", "abc")
    with (caps / "gadolinium.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert tuple(rows[0]) == judgement.COLUMNS
    assert [(row["image"], row["metadata"], row["contradiction"]) for row in rows] == [
        ("T1ce", "nothing", "the image shows gadolinium, the metadata do not"),
        ("T1ce", "ce entity", "n/a"),
    ]
    assert rows[0]["probability"] == "0.9000"


def test_the_table_keeps_what_other_runs_asked_for(tmp_path):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    crops = list(query.find_crops(caps))
    for _, crop in crops:
        path = names.gadolinium_path(crop)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"GadoliniumProbability": 0.9, "Model": {"SHA256": "abc"}}))
    asked = [judgement.rewrite(caps, [crop], "judge", "abc") for crop in crops]
    assert [len(rows) for rows in asked] == [1] * len(crops)
    assert len((caps / "gadolinium.tsv").read_text().splitlines()) == 1 + len(crops)
