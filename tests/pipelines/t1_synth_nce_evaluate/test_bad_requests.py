"""What is refused, and what fails alone."""

import os
import re

import numpy as np
import pytest

from tests.data import volumes
from tests.data.caps import crop_path, make_caps
from tests.pipelines.t1_synth_nce_evaluate.tiny import AFFINE, SHAPE, read, run, write_pair


def test_bad_pairs_are_named_and_the_rest_is_evaluated(caps, pairs, tmp_path):
    write_pair(caps, "sub-03", 3, {"good": 20})
    write_pair(caps, "sub-04", 4)
    constant = crop_path(caps, "sub-04", "ses-M000")
    volumes.write(constant, np.ones(SHAPE), AFFINE)
    write_pair(caps, "sub-05", 5)
    empty = caps / "seg/sub-05_poor.nii.gz"
    volumes.write(empty, (volumes.brain(SHAPE) > 0).astype("u1"), AFFINE, dtype=np.uint8)
    with pairs.open("a") as stream:
        stream.write("sub-00\tses-M000\tses-M000ce\tgood\n")
        stream.write("sub-77\tses-M000\tses-M000ce\tgood\n")
        stream.write("sub-01\tses-M000ce\tses-M000\tgood\n")
        stream.writelines(f"sub-0{n}\tses-M000\tses-M000ce\tgood\n" for n in (3, 4, 5))
    out = tmp_path / "out"
    result = run(caps, pairs, out, "--align", "none")
    assert result.exit_code == 1, result.output
    assert "evaluated  3" in result.output
    assert "left out   6" in result.output
    text = " ".join(result.output.split())
    for message in (
        r"sub-00 \(row 5\): .*the same pair as row 2; keep one",
        r"sub-77 \(row 6\): .*ses-M000ce has no crop of t1-linear",
        r"sub-01 \(row 7\): .*ses-M000ce stands as T1nce, but its image is a T1ce",
        r"sub-03 \(row 8\): .*model-poor.*no such file; run `clinica run t1-synth-nce",
        r"sub-04 \(row 9\): .*every voxel is 1, there is no image",
        r"sub-05 \(row 10\): .*sub-05_poor.nii.gz: no voxel of WM, CSF",
    ):
        assert re.search(message, text), message
    assert "Traceback" not in result.output
    listed = read(out / "pairs.tsv")
    assert list(listed["status"]) == ["evaluated"] * 3 + ["failed"] * 6
    assert "no voxel of WM, CSF" in listed["reason"].iloc[-1]
    assert "Pairs left out" in (out / "report.html").read_text()
    assert set(read(out / "similarity.tsv")["participant_id"]) == {"sub-00", "sub-01", "sub-02"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--segmentation", "fsl"],
            "write atropos, atropos-own, spm, none, labels:PATTERN or TOOL",
        ),
        (["--segmentation", "none"], "give each once, or none alone"),
        (["--segmentation", "labels:other"], "give each once, or none alone"),
        (["--align", "warp"], "warp"),
        (["--noise-floor"], "--noise-floor: only with --segmentation atropos"),
        (["--spm-caps", "T1ce"], "write IMAGE=DIR"),
        (["--structures", __file__], "nor a table with the columns index and name"),
    ],
)
def test_wrong_usage(caps, pairs, tmp_path, options, message):
    result = run(caps, pairs, tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_not_ours(caps, pairs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").touch()
    result = run(caps, pairs, tmp_path / "out")
    assert (result.exit_code, "holds files that are not of" in result.output) == (2, True)
    for place, complaint in ((caps / "subjects" / "out", "lies in"), (caps, "holds")):
        result = run(caps, pairs, place)
        assert (result.exit_code, f"{complaint} the input" in result.output) == (2, True)


def test_columns_that_are_swapped_throughout(caps, pairs, tmp_path):
    pairs.write_text(pairs.read_text().replace("ses-M000\tses-M000ce", "ses-M000ce\tses-M000"))
    result = run(caps, pairs, tmp_path / "out")
    text = " ".join(result.output.split())
    assert result.exit_code == 2
    assert "no row can be used" in text
    assert "ses-M000ce stands as T1nce, but its image is a T1ce" in text


def test_no_model_at_all(tmp_path, pairs):
    root = make_caps(tmp_path / "c", {("sub-00", "ses-M000"): "", ("sub-00", "ses-M000ce"): "ce-x"})
    result = run(root, pairs, tmp_path / "out")
    assert result.exit_code == 2
    assert "run `clinica run t1-synth-nce` first" in " ".join(result.output.split())


def test_a_caps_that_cannot_be_written_to_will_do(tmp_path, pairs, monkeypatch):
    visits = {("sub-00", "ses-M000"): "", ("sub-00", "ses-M000ce"): "ce-x"}
    root = make_caps(tmp_path / "c", visits)
    before = (root / "dataset_description.json").read_text()
    monkeypatch.setattr(os, "access", lambda path, mode, **more: mode != os.W_OK)
    result = run(root, pairs, tmp_path / "out")
    assert "not writable" not in result.output
    assert "run `clinica run t1-synth-nce` first" in " ".join(result.output.split())
    assert (root / "dataset_description.json").read_text() == before
