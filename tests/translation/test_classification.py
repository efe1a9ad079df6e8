import csv
import json
from types import SimpleNamespace

import pytest

from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.errors import ImageError, WeightsError
from clinica_t1nce.translation import classification
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options
from clinica_t1nce.translation.runner import translate
from tests.data.bids import make_bids
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


def classify(crop, generator, root=None):
    job = Job(crop, None, root, None, Options(), names.gadolinium_path(crop))
    return translate(job, generator).classification


def test_a_classification_is_written_and_found_again(crop, tmp_path):
    path = names.gadolinium_path(crop)
    content = classify(crop, Judge(), tmp_path)
    assert json.loads(path.read_text()) == content
    assert content["Sources"] == [f"bids::{crop.relative_to(tmp_path).as_posix()}"]
    assert path.parent.name == "t1_synth_nce"
    assert "ce-gd" in path.name
    assert classification.find_probability(crop, "judge", "abc") == 0.25
    assert classification.find_probability(crop, "judge", "other weights") is None


def test_what_was_found_of_another_image_is_not_known(crop):
    classify(crop, Judge())
    write_crop(crop, head(3))
    assert classification.find_probability(crop, "judge", "abc") is None


def test_metadata_that_cannot_be_read_are_told(tmp_path):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=True)
    ((_, crop),) = query.find_crops(caps)
    classify(crop, Judge())
    bids = make_bids(tmp_path / "bids", {"sub-01_ses-1_T1w": {}})
    (bids / "sub-01/ses-1/anat/sub-01_ses-1_T1w.json").write_text("{")
    (row,) = classification.rewrite_table(caps, [(None, crop)], "judge", "abc", Dataset(bids))
    assert (row["metadata"], row["contradiction"]) == ("cannot be read", "")


def test_what_the_synthesis_found_is_known(crop):
    assert classification.find_probability(crop, "m", "abc") is None
    image = names.in_space(names.output_path(crop, "m"), "native")
    image.parent.mkdir(parents=True)
    sidecar.write(image, {"GadoliniumProbability": 0.7, "Model": {"SHA256": "abc"}})
    assert classification.find_probability(crop, "m", "abc") == 0.7


def test_weights_without_detector_are_refused(crop):
    with pytest.raises(WeightsError, match="clinica-t1nce calibrate"):
        classify(crop, Judge(None))
    assert not names.gadolinium_path(crop).exists()


def test_a_broken_crop_is_named(crop):
    crop.write_bytes(b"")
    with pytest.raises(ImageError, match="an empty file"):
        classify(crop, Judge())


def test_the_table_tells_contradictions(tmp_path):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    crops = list(query.find_crops(caps))
    for (_, crop), probability in zip(crops, (0.9, 0.8), strict=False):
        path = names.gadolinium_path(crop)
        path.parent.mkdir(parents=True)
        content = {"GadoliniumProbability": probability, "Model": {"SHA256": "abc"}}
        path.write_text(json.dumps(content))
    classification.rewrite_table(caps, crops, "judge", "abc")
    with (caps / "gadolinium.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert tuple(rows[0]) == classification.COLUMNS
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
    asked = [classification.rewrite_table(caps, [crop], "judge", "abc") for crop in crops]
    assert [len(rows) for rows in asked] == [1] * len(crops)
    assert len((caps / "gadolinium.tsv").read_text().splitlines()) == 1 + len(crops)
