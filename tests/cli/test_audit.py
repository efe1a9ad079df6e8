from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.cli import main
from clinica_t1nce.datasets.homogenised_tables import T1NCE_TSV
from clinica_t1nce.datasets.provenance import find_origins
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from tests.data import volumes
from tests.data.caps import crop_path, make_caps

SHAPE = (30, 36, 28)
AFFINE = volumes.affine("ras", shape=SHAPE)


@pytest.fixture
def caps(tmp_path):
    """Six people with a T1nce, six with a T1ce; the translation takes the difference away."""
    root = make_caps(tmp_path / "caps", {})
    for number in range(12):
        gadolinium = number % 2 == 1
        crop = crop_path(root, f"sub-{number:02}", "ses-M000", "ce-gd" if gadolinium else "")
        rng = np.random.default_rng(number)
        brain = volumes.brain(SHAPE, seed=number)
        smooth = brain + (brain > 0) * rng.normal(0, 3, SHAPE)
        noisy = brain + (brain > 0) * rng.normal(0, 30, SHAPE)
        volumes.write(crop, noisy if gadolinium else smooth, AFFINE)
        if gadolinium:
            write_synthetic(crop, "m", smooth)
    return root


def write_synthetic(crop, model, data):
    image = volumes.write(names.output_path(crop, model), data, AFFINE)
    sidecar.write(image, {"Sources": [names.uri(crop, crop.parents[4], image.parent)]})


def run(*arguments):
    return CliRunner().invoke(main.cli, ["audit", *map(str, arguments)])


def test_before_and_after(caps, tmp_path):
    table = tmp_path / "volumes.tsv"
    rows = (f"sub-{n:02}\tses-M000\t{500 + n}\n" for n in range(12))
    table.write_text("participant_id\tsession_id\tGM\n" + "".join(rows))
    out = tmp_path / "new" / "audit.tsv"
    result = run(caps, out, "--no-detector", "--volumes", table)
    assert result.exit_code == 0, result.output
    found = {(row["stage"], row["features"]): row for row in read_rows(out)}
    after = ["sharpness", "spectrum", "volumes", "all"]
    before = ["sharpness", "spectrum", "all"]
    assert list(found) == [*(("after", n) for n in after), *(("before", n) for n in before)]
    assert float(found["before", "all"]["auc"]) == 1
    assert float(found["after", "sharpness"]["auc"]) < 0.9
    assert {(row["n_acquired"], row["n_synthetic"]) for row in found.values()} == {("6", "6")}
    assert "before the translation 1.00 [1.00, 1.00], after the translation" in result.output


def test_the_detector_of_the_model_is_asked(caps, tmp_path, monkeypatch):
    asked = []

    class Detecting:
        card = SimpleNamespace(calibration={"gadolinium": {}})

        def __call__(self, volume, affine):
            roughness = float(np.std(np.diff(volume, axis=0)))
            return SimpleNamespace(gadolinium=roughness / (1 + roughness))

    def load(model, device):
        asked.append((model, device))
        return Detecting()

    monkeypatch.setattr(Synthesizer, "load", load)
    result = run(caps, tmp_path / "audit.tsv", "--model", "m", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert asked == [("m", "cpu")]
    assert "before\tdetector\t6\t6\t1.000" in result.output


def test_images_and_their_origins(caps, tmp_path):
    origins = find_origins(caps).images
    assert [origin.synthetic for origin in origins] == [False, True] * 6
    assert origins[0].image == origins[0].source
    assert origins[1].image == names.output_path(origins[1].source, "m")
    write_synthetic(origins[1].source, "n", np.ones(SHAPE))
    with pytest.raises(SelectionError, match=r"several models \(m, n\)"):
        find_origins(caps)
    found = find_origins(caps, "n")
    assert [origin.synthetic for origin in found.images] == [False, True, *[False] * 5]
    assert found.n_left_out == 5


def test_a_homogenised_data_set(tmp_path):
    out = tmp_path / "bids"
    for visit in (("sub-00", "acquired"), ("sub-01", "synthetic")):
        volumes.write(out / visit[0] / "ses-M000/anat/x_T1w.nii.gz", np.ones(SHAPE), AFFINE)
    (out / T1NCE_TSV).write_text(
        "participant_id\tsession_id\tt1nce\nsub-00\tses-M000\tacquired\n"
        "sub-01\tses-M000\tsynthetic\n"
    )
    first, second = find_origins(out).images
    assert (first.synthetic, first.source) == (False, first.image)
    assert (second.synthetic, second.source) == (True, None)


def test_what_is_left_out_is_told(caps, tmp_path):
    names.output_path(crop_path(caps, "sub-01", "ses-M000", "ce-gd"), "m").unlink()
    result = run(caps, tmp_path / "audit.tsv", "--no-detector")
    assert result.exit_code == 0, result.output
    assert "Warning: 1 of 12 images are left out: T1ce without a T1nce" in result.stderr
    assert "after\tall\t6\t5\t" in result.stdout


def test_why_nothing_is_told_of_the_images_before(caps, tmp_path):
    crop_path(caps, "sub-01", "ses-M000", "ce-gd").rename(tmp_path / "away.nii.gz")
    out = bids_of(caps, tmp_path / "out")
    result = run(out, tmp_path / "audit.tsv", "--no-detector")
    assert result.exit_code == 0, result.output
    assert "what it was made from is not there, as of 1 of 12 images" in result.stderr
    assert "before\t" not in result.stdout


def bids_of(caps, out):
    """Link the images of the fixture as `homogenise` does."""
    rows = "participant_id\tsession_id\tt1nce\n"
    for number in range(12):
        label = f"sub-{number:02}"
        crop = crop_path(caps, label, "ses-M000", "ce-gd" if number % 2 else "")
        image = out / label / f"ses-M000/anat/{label}_ses-M000_T1w.nii.gz"
        image.parent.mkdir(parents=True)
        image.symlink_to(names.output_path(crop, "m") if number % 2 else crop)
        rows += f"{label}\tses-M000\t{'synthetic' if number % 2 else 'acquired'}\n"
    (out / T1NCE_TSV).write_text(rows)
    return out


def test_the_bids_tells_what_is_a_t1ce(caps, tmp_path):
    anat = tmp_path / "bids/sub-00/ses-M000/anat"
    anat.mkdir(parents=True)
    (anat / "sub-00_ses-M000_T1w.json").write_text('{"ContrastBolusAgent": "Magnescan"}')
    words = tmp_path / "words.tsv"
    words.write_text("word\tmeaning\nMagnescan\tgiven\n")
    options = ["--no-detector", "--bids-directory", tmp_path / "bids"]
    result = run(caps, tmp_path / "audit.tsv", *options)
    assert "Words on contrast agents that are not known: 'Magnescan' (1x)" in result.stderr
    for more in ([], ["--agent-words", words]):
        result = run(caps, tmp_path / "audit.tsv", *options, *more)
        assert "Warning: 1 of 12 images are left out" in result.stderr
        assert "after\tall\t5\t6\t" in result.stdout
    result = run(caps, tmp_path / "audit.tsv", "--agent-words", words)
    assert (result.exit_code, "name it with --bids-directory" in result.output) == (2, True)
    result = run(bids_of(caps, tmp_path / "out"), tmp_path / "audit.tsv", *options)
    assert (result.exit_code, "are for a CAPS" in result.output) == (2, True)


def test_wrong_usage(caps, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", tmp_path / "audit.tsv", "--no-detector")
    assert (result.exit_code, "neither a CAPS nor a data set of" in result.output) == (2, True)
    table = tmp_path / "volumes.tsv"
    table.write_text("participant_id\tsession_id\tGM\nsub-00\tses-M000\tlarge\n")
    result = run(caps, tmp_path / "audit.tsv", "--no-detector", "--volumes", table)
    assert (result.exit_code, "sub-00 ses-M000 after: could not" in result.output) == (2, True)
    result = run(caps, tmp_path / "audit.tsv", "--no-detector", "--model", "n")
    assert (
        result.exit_code,
        "holds no images of a model n; it has those of m" in result.output,
    ) == (2, True)
    for number in range(3, 12, 2):
        crop = crop_path(caps, f"sub-{number:02}", "ses-M000", "ce-gd")
        names.output_path(crop, "m").unlink()
        crop.unlink()
    result = run(caps, tmp_path / "audit.tsv", "--no-detector")
    assert (result.exit_code, "1 participants with synthetic images" in result.output) == (1, True)
    assert not (tmp_path / "audit.tsv").exists()


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("\tGM", "\tnan", "sub-00 ses-M000 after: a volume is missing or not finite"),
        ("", "", "sub-00 ses-M000 after: a volume is missing or not finite"),
        ("\tstage\tGM", "\tAfter\t500", "the stage is neither after nor before"),
        ("\tGM", "\t500", "no volumes of sub-01 ses-M000, sub-02 ses-M000"),
        (
            "\tGM",
            "\t500\nsub-00\tses-M000\t400",
            "listed twice: sub-00 ses-M000 after (rows 2 and 3)",
        ),
    ],
)
def test_volumes_that_could_not_be_used(caps, tmp_path, header, cells, message):
    table = tmp_path / "volumes.tsv"
    table.write_text(f"participant_id\tsession_id{header}\nsub-00\tses-M000{cells}\n")
    result = run(caps, tmp_path / "audit.tsv", "--no-detector", "--volumes", table)
    assert (result.exit_code, message in result.output) == (2, True), result.output


def test_nothing_to_audit(tmp_path):
    (tmp_path / "caps" / "subjects").mkdir(parents=True)
    result = run(tmp_path / "caps", tmp_path / "audit.tsv")
    assert result.exit_code == 1
    assert "0 participants with synthetic images" in result.output


def test_weights_in_a_file_stand_for_the_model_on_their_card(caps, tmp_path, monkeypatch):
    def load(path):
        return None, SimpleNamespace(name="m")

    monkeypatch.setattr("clinica_t1nce.models.storage.load_generator", load)
    out = tmp_path / "audit.tsv"
    result = run(caps, out, "--no-detector", "--model", "weights.safetensors")
    assert result.exit_code == 0, result.output
