import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import sidecar
from clinica_t1nce.caps.flags import read_flags
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.models.cards import Card
from clinica_t1nce.synthesis import Flag
from clinica_t1nce.synthesis.enhancement_prior import Place

CARD = Card(
    "m",
    "change-unet",
    {},
    {"grid": None, "scaling": {"method": "percentile", "percentile": 70.0}},
    "change",
    sha256="abc",
)


def content(tmp_path, **changes):
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "x.nii.gz").write_bytes(b"crop")
    about = {"root": tmp_path, "selected_by": SelectedBy("tsv")}
    about |= {key: changes.pop(key) for key in changes.keys() & {*about, "n_nonfinite"}}
    measured = {"Mean": 1.0, "Percentile99": 2.0, "MeanRelativeToSource": 0.5}
    return sidecar.describe_image(
        tmp_path / "b" / "y.nii.gz",
        sidecar.SourceImage(tmp_path / "a" / "x.nii.gz", **about),
        sidecar.Prediction(CARD, changes.pop("confidence", 0.25)),
        seconds=1.234,
        **{"change": measured, **changes},
    )


def test_change_is_measured_in_the_head():
    volume = np.zeros((10, 10, 10), np.float32)
    volume[2:8, 2:8, 2:8] = 100
    change = np.zeros_like(volume)
    change[2:8, 2:8, 2:5] = 10
    change[0] = 1000
    found = sidecar.measure_change(volume, change)
    measured = {"Mean": 5, "Percentile99": 10, "MeanRelativeToSource": 0.05}
    assert measured.items() <= found.items()


def test_where_the_change_lies(tmp_path):
    volume = np.full((4, 4, 4), 10, np.float32)
    found = sidecar.measure_change(volume, volume / 10, Place(0.625, 0.125))
    change = content(tmp_path, change=found)["Change"]
    assert (change["ShareAtVessels"], change["ShareAtVesselsIfEven"]) == (0.625, 0.125)
    assert "ShareAtVessels" not in content(tmp_path)["Change"]


def test_an_image_without_head_has_no_change():
    volume = np.full((4, 4, 4), -1, np.float32)
    nothing = dict.fromkeys(("Mean", "Percentile99", "MeanRelativeToSource"), 0)
    assert nothing.items() <= sidecar.measure_change(volume, volume).items()


def test_batch_statistics_make_another_model_of_the_same_weights():
    other = replace(CARD, inference={"batch_statistics": True})
    assert sidecar.describe_model(CARD) == {
        "Name": "m",
        "Architecture": "change-unet",
        "SHA256": "abc",
    }
    assert sidecar.describe_model(other) == {
        **sidecar.describe_model(CARD),
        "BatchStatistics": True,
    }


def test_fields_of_the_sidecar(tmp_path):
    found = content(tmp_path, n_nonfinite=3)
    assert found["Sources"] == ["bids::a/x.nii.gz"]
    assert found["Synthetic"] is True
    assert found["Model"] == {"Name": "m", "Architecture": "change-unet", "SHA256": "abc"}
    assert found["GeneratedBy"][0]["Name"] == "clinica-t1nce"
    assert found["Selection"] == {"Rule": "tsv", "Reason": None}
    (source,) = found["SourceFiles"]
    assert (source["Size"], len(source["SHA256"])) == (4, 64)
    assert found["Confidence"] == 0.25
    assert found["IntensityScaling"] == {"method": "percentile", "percentile": 70.0}
    assert found["NonFiniteVoxelsSetToZero"] == 3
    assert found["Change"]["Percentile99"] == 2.0
    assert found["Device"] == "cpu"
    assert found["DurationSeconds"] == 1.23
    assert "not for reading lesions" in found["Description"]


def test_what_is_unknown_is_left_out(tmp_path):
    found = content(tmp_path, confidence=None, selected_by=None, root=None)
    assert "Confidence" not in found
    assert "Selection" not in found
    assert found["Sources"] == ["../a/x.nii.gz"]


def test_written_and_read_again(tmp_path):
    image = tmp_path / "y.nii.gz"
    path = sidecar.write(image, content(tmp_path))
    assert path == tmp_path / "y.json"
    assert sidecar.read(image) == json.loads(path.read_text())
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["y.json"]


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_what_cannot_be_read_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "y.json").write_text(text)
    assert sidecar.read(tmp_path / "y.nii.gz") is None


def test_done_needs_image_and_sidecar(tmp_path):
    image = tmp_path / "y.nii.gz"
    states = [sidecar.lack(image) is None]
    (tmp_path / "y.json").write_text("{}")
    states.append(sidecar.lack(image) is None)
    image.touch()
    states.append(sidecar.lack(image) is None)
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.float32), np.eye(4)), image)
    states.append(sidecar.lack(image) is None)
    assert states == [False, False, False, True]


EARLIER = {
    "SelectedBy": "ce entity",
    "Flags": [
        "the metadata say gadolinium (ce entity), the image shows none",
        "low confidence (0.03)",
        "t1-linear made the image 3.6 times larger, which no adult's head needs",
        "the crop is not the raw image moved by t1-linear's affine alone (they agree to 0.9)",
        "something else",
    ],
    "NonFiniteVoxelsSetToZero": 2,
}
"""As the sidecars of version 0.1 had it."""


def test_sidecars_of_earlier_versions_are_read():
    assert sidecar.selection(EARLIER) == SelectedBy("metadata", "ce entity")
    assert sidecar.selection({"SelectedBy": "include-t1nce"}) == SelectedBy("include-t1nce")
    assert sidecar.selection({}) is None
    flags = read_flags(EARLIER)
    assert [flag.code for flag in flags] == [
        "contradiction",
        "low-confidence",
        "enlarged",
        "warped",
        "other",
        "non-finite",
    ]
    assert [flag.text for flag in flags[:-1]] == EARLIER["Flags"]


def test_selection_and_flags_are_read_back(tmp_path):
    flags = [Flag("low-confidence", "low confidence (0.03)"), Flag("enlarged", "large")]
    selected_by = SelectedBy("all", "ce entity")
    found = content(tmp_path, flags=flags, selected_by=selected_by)
    assert found["Flags"][0] == {"Code": "low-confidence", "Text": "low confidence (0.03)"}
    assert read_flags(found) == flags
    assert sidecar.selection(found) == selected_by
