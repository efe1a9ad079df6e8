"""The command from arguments to files, on tiny images, every node in this process."""

import importlib.util
import json

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from clinica_t1nce.caps import names
from clinica_t1nce.evaluation import similarity
from clinica_t1nce.evaluation.agreement import FLOOR
from clinica_t1nce.evaluation.segmentation import Segmentation
from clinica_t1nce.pipelines.t1_synth_nce_evaluate import evaluation_cli as module
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.evaluation_pipeline import T1SynthNceEvaluate
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import EvaluationSettings
from tests.data import volumes
from tests.data.caps import crop_path
from tests.pipelines.t1_synth_nce_evaluate.tiny import (
    AFFINE,
    SHAPE,
    read,
    run,
    write_pair,
)


@pytest.fixture
def against_scikit_image(repository):
    path = repository / "benchmarks" / "against_scikit_image.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_agrees_with_scikit_image(script, out, capsys):
    """And that the check notices a figure that does not."""
    capsys.readouterr()
    assert script.main([str(out)]) == 0, capsys.readouterr().out
    table = out / "similarity.tsv"
    rows = table.read_text()
    figure = rows.splitlines()[-1].split("\t")[rows.split("\t").index("ssim_matched")]
    table.write_text(rows.replace(figure, str(float(figure) + 2e-6)))
    assert script.main([str(out)]) == 1
    assert "sub-02 none poor ssim_matched" in capsys.readouterr().out
    table.write_text(rows)


def test_everything_is_written(caps, pairs, tmp_path, monkeypatch, against_scikit_image, capsys):
    for module_ in (similarity, against_scikit_image):
        monkeypatch.setattr(module_, "AUTHORS_GRID", (32, 32, 32))
    out = tmp_path / "an output"
    result = run(caps, pairs, out, "--protocol", "authors")
    assert result.exit_code == 0, result.output
    assert "evaluated  3" in result.output
    assert "**Dice score with the T1nce, mean ± SD**" in result.output

    found = read(out / "similarity.tsv")
    assert len(found) == 3 * 2 * 3
    assert list(found["alignment"].unique()) == ["rigid", "none"]
    assert list(found["image"].unique()) == ["T1ce", "good", "poor"]
    by_image = found.groupby(["alignment", "image"]).mean(numeric_only=True)
    assert by_image.loc[("rigid", "good"), "share"] > 0.7 > by_image.loc[("rigid", "poor"), "share"]
    matched = by_image["mae_matched"]
    assert matched[("rigid", "good")] < matched[("rigid", "poor")] < matched[("rigid", "T1ce")]
    assert matched[("rigid", "T1ce")] < matched[("none", "T1ce")]

    assert_agrees_with_scikit_image(against_scikit_image, out, capsys)

    volumes_ = read(out / "volumes.tsv")
    assert len(volumes_) == 3 * 3 * 3
    row = volumes_.iloc[0]
    scale = volumes_.drop_duplicates("participant_id")["tiv_t1nce"].mean() / row["tiv_t1nce"]
    assert row["vd"] == pytest.approx((row["volume_t1nce"] - row["volume"]) * scale)
    overlap = read(out / "dice.tsv").groupby(["alignment", "image"])["dice"].mean()
    assert overlap[("rigid", "good")] > overlap[("none", "good")]

    agreement = read(out / "agreement.tsv")
    row = agreement[(agreement["set"] == "all") & (agreement["image"] == "T1ce")].iloc[0]
    part = volumes_[(volumes_["image"] == "T1ce") & (volumes_["tissue"] == row["tissue"])]
    percent = 100 * (part["volume"] - part["volume_t1nce"]) / part["volume_t1nce"]
    assert (row["n"], row["volume_bias"]) == (3, pytest.approx(percent.mean()))
    aligned = read(out / "dice.tsv").query("alignment == 'rigid' and image == 'T1ce'")
    scores = aligned.loc[aligned["tissue"] == row["tissue"], "dice"]
    assert row["mean_dice"] == pytest.approx(scores.mean())
    assert not (out / "noise_floor.tsv").exists()

    statistics = read(out / "statistics.tsv")
    assert set(statistics["set"]) == {"all", "test_good", "test_low"}
    small = statistics[statistics["set"] == "test_low"]
    assert small["p"].isna().all()
    assert small["note"].str.contains("fewer than 3 pairs: not tested").all()

    for name in ("agreement", "similarity", "volumes", "dice", "statistics", "pairs"):
        dictionary = json.loads((out / f"{name}.json").read_text())
        assert list(dictionary) == list(read(out / f"{name}.tsv").columns)
    assert sorted(path.name for path in (out / "tables").iterdir()) == sorted(
        f"{name}.{kind}"
        for name in (
            "agreement",
            "similarity_smooth",
            "recovery_smooth",
            "table1_similarity",
            "table1_similarity_authors",
            "table1_similarity_matched",
            "table2_volumes",
            "table3_dice",
            "table4_recovery",
        )
        for kind in ("md", "tex")
    )
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}
    report = (out / "report.html").read_text()
    assert "Synthetic T1nce against real ones" in report
    for kind in ("html", "jpg"):
        assert len(list((out / "pages").glob(f"*.{kind}"))) == 3
    assert len(list(out.glob("sub-*/ses-*/*_space-T1ce_desc-aligned_T1w.nii.gz"))) == 3


def test_done_pairs_are_kept_and_new_ones_added(caps, pairs, tmp_path):
    out = tmp_path / "out"
    assert run(caps, pairs, out, "--align", "none").exit_code == 0
    records = {path: path.stat().st_mtime_ns for path in out.glob("sub-*/ses-*/*measures.json")}
    before = (out / "similarity.tsv").read_bytes()
    write_pair(caps, "sub-09", 9)
    with pairs.open("a") as stream:
        stream.write("sub-09\tses-M000\tses-M000ce\tn/a\n")
    result = run(caps, pairs, out, "--align", "none")
    assert "4 pairs, 1 to do" in result.output
    assert {path: path.stat().st_mtime_ns for path in records} == records
    (out / "pages" / "sub-09_ses-M000ce.html").unlink()
    result = run(caps, pairs, out, "--align", "none")
    assert "4 pairs, 1 to do" in result.output
    assert (out / "pages" / "sub-09_ses-M000ce.html").is_file()
    assert {path: path.stat().st_mtime_ns for path in records} == records
    assert (out / "similarity.tsv").read_bytes().startswith(before)
    result = run(caps, pairs, out, "--align", "none", "--model", "good")
    assert "4 pairs, 4 to do" in result.output
    assert set(read(out / "similarity.tsv")["image"]) == {"T1ce", "good"}


def test_pairs_that_another_run_evaluates_first_are_kept(caps, pairs, tmp_path):
    pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[:2]))
    settings = EvaluationSettings(segmentations=(), brain_mask="template", align="none")
    first, second = (
        T1SynthNceEvaluate(caps, pairs, tmp_path / "out", parameters={"settings": settings})
        for _ in range(2)
    )
    first.run(plugin="Linear")
    (record,) = (tmp_path / "out").glob("sub-*/ses-*/*_measures.json")
    before = record.stat().st_ino
    second.run(plugin="Linear")
    assert (first.failures, second.failures) == ({}, {})
    assert record.stat().st_ino == before


def test_an_old_crash_is_no_reason(caps, pairs, tmp_path):
    wd = tmp_path / "wd"
    for name, message in (("T1ce", "no_T1ce"), ("T1nce", "no_T1nce")):
        table = tmp_path / f"{name}.tsv"
        table.write_text("".join(pairs.read_text().splitlines(keepends=True)[:2]))
        for kind in ("T1ce", "T1nce"):
            volumes.write(caps / f"masks/sub-00_{kind}.nii.gz", np.ones(SHAPE), AFFINE)
        bad = caps / f"masks/sub-00_{name}.nii.gz"
        bad.write_text(message)
        result = run(
            *(caps, table, tmp_path / f"out_{name}", "-wd", wd),
            *("--brain-mask", "masks/{participant_id}_{image}.nii.gz"),
        )
        assert result.exit_code == 1
        assert str(bad) in result.output


def test_structures_without_the_label_1(caps, pairs, tmp_path):
    pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[:2]))
    structures = tmp_path / "structures.tsv"
    structures.write_bytes(b"\xef\xbb\xbfindex\tname\r\n12\tputamen\r\n13\tpallidum\r\n")
    for name in ("T1nce", "T1ce", "good"):
        labels = np.zeros(SHAPE)
        labels[10:20], labels[20:30] = 12, 13
        volumes.write(caps / f"seg/sub-00_{name}.nii.gz", labels, AFFINE, dtype=np.uint8)
    result = run(caps, pairs, tmp_path / "out", "--model", "good", "--structures", structures)
    assert result.exit_code == 0, result.output
    assert set(read(tmp_path / "out" / "volumes.tsv")["tissue"]) == {"putamen", "pallidum"}
    assert not (tmp_path / "out/figures/figure4_gray_matter_maps.png").exists()


def test_the_graded_columns_make_the_sets(caps, tmp_path):
    pairs = tmp_path / "graded.tsv"
    pairs.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\tcontrast\tmotion\tnoise\n"
        "sub-00\tses-M000\tses-M000ce\t0\t1\t0\n"
        "sub-01\tses-M000\tses-M000ce\t0\t2\t0\n"
        "sub-02\tses-M000\tses-M000ce\t0\t7\t0\n"
    )
    result = run(caps, pairs, tmp_path / "out", "--align", "none")
    assert result.exit_code == 1
    assert "each is 0, 1 or 2" in result.output
    listed = read(tmp_path / "out" / "pairs.tsv")
    assert list(listed["quality"].iloc[:2]) == ["medium", "low"]


def test_one_model_and_ones_own_masks(caps, pairs, tmp_path):
    for subject in ("sub-00", "sub-01", "sub-02"):
        for session in ("ses-M000", "ses-M000ce"):
            mask = np.zeros(SHAPE, np.uint8)
            mask[10:30, 10:38, 10:26] = 1
            volumes.write(caps / f"masks/{subject}_{session}_x.nii.gz", mask, AFFINE)
    pattern = "masks/{participant_id}_{session_id}_*.nii.gz"
    options = ["--model", "good", "--brain-mask", pattern, "--align", "none"]
    result = run(caps, pairs, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert list(read(tmp_path / "out" / "similarity.tsv")["image"].unique()) == ["T1ce", "good"]
    (record, *_) = (tmp_path / "out").glob("sub-*/ses-*/*measures.json")
    content = json.loads(record.read_text())
    assert content["mask_sources"][0].endswith("_x.nii.gz")
    assert content["mask_overlap"] == 1


def test_noise_floor_and_no_image_segmented_twice(caps, pairs, tmp_path, monkeypatch):
    segmented = []

    def threshold(volume, affine, mask, priors):
        segmented.append(volume)
        labels = np.where(mask, np.array([3, 1, 2])[np.digitize(volume, [230, 330])], 0)
        return Segmentation(labels.astype(np.uint8), np.stack([labels == n for n in (1, 2, 3)]))

    monkeypatch.setattr("clinica_t1nce.evaluation.segmentation.segment", threshold)
    pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[:2]))
    out = tmp_path / "out"
    options = ["--segmentation", "atropos", "--noise-floor", "-wd", str(tmp_path / "wd")]
    result = run(caps, pairs, out, *options, "--model", "good")
    assert result.exit_code == 0, result.output
    assert len(segmented) == 3 + 2
    floor = read(out / "noise_floor.tsv")
    assert list(floor["image"].unique()) == list(FLOOR)
    assert floor["dice"].between(0.5, 1).all()
    assert (floor.groupby("image")["dice"].min() < 1).all()
    assert set(read(out / "agreement.tsv")["image"]) == {"T1ce", "good", *FLOOR}
    assert set(read(out / "volumes.tsv")["image"]) == {"T1ce", "good"}
    assert json.loads((out / "noise_floor.json").read_text())["dice"]["Description"]
    assert "| T1nce again | moved 0.5 mm |" in result.output
    result = run(caps, pairs, out, *options, "--model", "poor")
    assert result.exit_code == 0, result.output
    assert len(segmented) == 3 + 2 + 1
    poor = names.output_path(crop_path(caps, "sub-00", "ses-M000ce", "ce-gd"), "poor")
    np.testing.assert_array_equal(segmented[-1], nib.load(poor).get_fdata(dtype=np.float32))


def test_several_segmentations(caps, pairs, tmp_path):
    pairs.write_text("".join(pairs.read_text().splitlines(keepends=True)[:2]))
    for path in list((caps / "seg").iterdir()):
        labels = nib.load(path).get_fdata()
        mapped = np.select([labels == 1, labels == 2, labels == 3], [18, 13, 9])
        volumes.write(path.with_name(f"glide_{path.name}"), mapped, AFFINE, dtype=np.uint8)
    # A part of the brain that only one of them has.
    structures = tmp_path / "structures.tsv"
    structures.write_text("index\tname\n13\tinner\n18\tinner\n9\touter\n")
    out = tmp_path / "out"
    options = ["--segmentation", "spm:seg/{participant_id}_{image}.nii.gz"]
    result = CliRunner().invoke(
        module.cli,
        [
            *map(str, (caps, pairs, out, "--nipype-plugin", "Linear", *options)),
            *("--segmentation", "labels:seg/glide_{participant_id}_{image}.nii.gz"),
            *("--structures", str(structures)),
        ],
    )
    assert result.exit_code == 0, result.output
    found = read(out / "volumes.tsv").query("image == 'good'").set_index(["segmentation", "tissue"])
    assert set(found.index) == {
        *(("spm", tissue) for tissue in ("GM", "WM", "CSF")),
        *(("labels", name) for name in ("inner", "outer")),
    }
    inner = found.loc[("labels", "inner"), "volume"]
    assert inner == pytest.approx(found.loc[("spm", ["GM", "WM"]), "volume"].sum())
    agreement = read(out / "agreement.tsv")
    assert list(agreement["segmentation"].unique()) == ["spm", "labels"]
    assert len(list((out / "figures").glob("figure5_volume_differences_*.svg"))) == 2
    record = json.loads(next(out.glob("sub-*/ses-*/*measures.json")).read_text())
    for name, path in record["files"].items():
        assert (out / "sub-00" / "ses-M000ce" / path).is_file(), name
    assert "labels good dseg" in record["files"]
    page = next((out / "pages").glob("*.html")).read_text()
    assert "inner, cm3 (labels)" in page
    assert "Dice GM (spm)" in page
