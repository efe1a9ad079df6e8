"""The command from arguments to files, on tiny images, every node in this process."""

import importlib.util
import json
import os
import re
import tempfile

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from nipype import config

from clinica_t1nce.caps import names
from clinica_t1nce.evaluation import similarity
from clinica_t1nce.evaluation.agreement import FLOOR
from clinica_t1nce.evaluation.segmentation import Segmentation
from clinica_t1nce.pipelines.t1_synth_nce_evaluate import evaluation_cli as module
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.evaluation_pipeline import T1SynthNceEvaluate
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import Settings
from tests.data import volumes
from tests.data.caps import crop_path, make_caps

SHAPE = (40, 48, 36)
AFFINE = volumes.affine("ras", shape=SHAPE)
MODELS = {"good": 20, "poor": 250}
"""What each model leaves of the enhancement."""

HEADER = "participant_id\tsession_id_t1nce\tsession_id_t1ce\tquality\n"


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setenv("CLINICA_LOGGING_DIR", "/tmp")
    yield
    config.set_default_config()


def write_pair(caps, subject, seed, models=MODELS):
    t1nce = volumes.brain(SHAPE, seed=seed)
    t1ce = volumes.enhance(t1nce)
    source = crop_path(caps, subject, "ses-M000ce", "ce-gd")
    volumes.write(crop_path(caps, subject, "ses-M000"), np.roll(t1nce, 1, axis=1), AFFINE)
    volumes.write(source, t1ce, AFFINE)
    images = {"T1nce": np.roll(t1nce, 1, axis=1), "T1ce": t1ce}
    for number, (model, left) in enumerate(models.items()):
        noise = np.random.default_rng(100 * seed + number).normal(0, 0.2, SHAPE)
        image = np.where(t1ce > t1nce, t1nce + left, t1nce + noise * (t1nce > 0))
        volumes.write(names.output_path(source, model), image, AFFINE)
        images[model] = image
    for name, image in images.items():
        labels = np.where(image > 0, np.array([3, 1, 2])[np.digitize(image, [230, 330])], 0)
        volumes.write(caps / f"seg/{subject}_{name}.nii.gz", labels, AFFINE, dtype=np.uint8)


@pytest.fixture
def caps(tmp_path):
    root = make_caps(tmp_path / "caps", {})
    for seed in range(3):
        write_pair(root, f"sub-0{seed}", seed)
    return root


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    rows = (f"sub-0{n}\tses-M000\tses-M000ce\t{q}\n" for n, q in enumerate(["good", "low", "good"]))
    path.write_text(HEADER + "".join(rows))
    return path


def run(caps, pairs, out, *options):
    arguments = [
        *(caps, pairs, out, "--nipype-plugin", "Linear"),
        *("--segmentation", "labels:seg/{participant_id}_{image}.nii.gz", *options),
    ]
    return CliRunner().invoke(module.cli, [str(argument) for argument in arguments])


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


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
    settings = Settings(segmentations=(), brain_mask="template", align="none")
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
