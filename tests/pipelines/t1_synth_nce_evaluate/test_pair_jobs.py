import json
import os
from pathlib import Path

import pytest

from clinica_t1nce.caps import names
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.structures import PATTERNS, VolumeMethod, structures_of
from clinica_t1nce.models.storage import FAST_MODEL
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.evaluation_cli import read_segmentations
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import (
    EvaluationSettings,
    is_evaluated,
    select_pairs,
)
from tests.data.caps import crop_path, make_caps, save_weights

SESSIONS = (("A", ""), ("B", "ce-gd"))
VISITS = {("sub-01", "ses-M000"): "", ("sub-01", "ses-M000ce"): "ce-gd"}


@pytest.fixture
def caps(tmp_path):
    root = make_caps(tmp_path / "caps", VISITS, images=False)
    output = names.output_path(crop_path(root, "sub-01", "ses-M000ce", "ce-gd"), "m")
    output.parent.mkdir(parents=True)
    output.touch()
    return root


@pytest.fixture
def tsv(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\nsub-01\tses-M000\tses-M000ce\n"
    )
    return path


def spm_maps(root: Path, session: str) -> list[Path]:
    folder = root / "subjects" / "sub-01" / session / "t1/spm/segmentation/native_space"
    folder.mkdir(parents=True)
    maps = []
    for tissue in ("graymatter", "whitematter", "csf", "bone"):
        maps.append(folder / f"sub-01_{session}_T1w_segm-{tissue}_probability.nii.gz")
        maps[-1].touch()
    return maps[:3]


def test_what_a_row_means(caps, tsv):
    (job,), problems = select_pairs(caps, tsv, [], EvaluationSettings())
    assert problems == {}
    assert list(job.images) == ["T1nce", "T1ce", "m"]
    assert job.name == "sub-01_ses-M000ce"
    assert job.quality is None


def test_only_the_test_is_evaluated(tmp_path):
    root = make_caps(
        tmp_path / "caps",
        {(f"sub-0{n}", f"ses-{name}"): entity for n in (1, 2) for name, entity in SESSIONS},
        images=False,
    )
    for n in (1, 2):
        output = names.output_path(crop_path(root, f"sub-0{n}", "ses-B", "ce-gd"), "m")
        output.parent.mkdir(parents=True)
        output.touch()
    tsv = tmp_path / "split.tsv"
    tsv.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\tsplit\n"
        "sub-01\tses-A\tses-B\ttrain\nsub-02\tses-A\tses-B\ttest\n"
    )
    found = {
        split: [
            job.row.subject for job in select_pairs(root, tsv, [], EvaluationSettings(), split)[0]
        ]
        for split in ("test", "train", "all")
    }
    assert found == {"test": ["sub-02"], "train": ["sub-01"], "all": ["sub-01", "sub-02"]}
    tsv.write_text(tsv.read_text().replace("train", ""))
    assert [
        job.row.subject for job in select_pairs(root, tsv, [], EvaluationSettings(), "train")[0]
    ] == ["sub-01"]
    with pytest.raises(SelectionError, match=r"split\.tsv: no row of the split validation"):
        select_pairs(root, tsv, [], EvaluationSettings(), "validation")


def test_maps_of_spm_come_from_the_caps_of_each_image(caps, tsv, tmp_path):
    folders = {name: tmp_path / name for name in ("T1nce", "T1ce", "m")}
    sessions = {"T1nce": "ses-M000", "T1ce": "ses-M000ce", "m": "ses-M000ce"}
    expected = {name: spm_maps(folders[name], sessions[name]) for name in folders}
    method = VolumeMethod("spm", "maps", structures_of("spm"))
    settings = EvaluationSettings(segmentations=(method,), spm_caps=folders)
    (job,), _ = select_pairs(caps, tsv, [], settings)
    assert job.segmented == {"spm": list(expected.values())}
    expected["m"][1].unlink()
    jobs, problems = select_pairs(caps, tsv, [], settings)
    assert not jobs
    assert "0 maps *_segm-whitematter_probability.nii*" in problems["sub-01 (row 2)"]
    del folders["m"]
    _, problems = select_pairs(caps, tsv, [], settings)
    assert "--spm-caps m=FOLDER" in problems["sub-01 (row 2)"]


@pytest.mark.parametrize("tool", PATTERNS)
def test_files_of_a_tool_in_a_folder(caps, tsv, tmp_path, tool):
    """A folder an image, in which files or subjects have the name of the image."""
    (before,), _ = select_pairs(caps, tsv, [], EvaluationSettings())
    expected = []
    for name, image in before.images.items():
        pattern = f"{tmp_path}/{PATTERNS[tool]}".replace("{image}", name)
        pattern = pattern.replace("{source}", image.name.removesuffix("_T1w.nii.gz"))
        pattern = pattern.replace("*", "_T1w")
        maps = [Path(pattern.replace("{tissue}", n)) for n in ("1", "2", "3")]
        for path in maps:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        expected.append(maps if tool == "spm" else maps[0])
    (method,) = read_segmentations((f"{tool}:{tmp_path}",))
    assert method.structures == structures_of(tool)
    (job,), problems = select_pairs(caps, tsv, [], EvaluationSettings(segmentations=(method,)))
    assert problems == {}
    assert job.segmented == {tool: expected}


def test_a_pattern_that_matches_nothing_or_too_much_is_named(caps, tsv):
    settings = EvaluationSettings(brain_mask="masks/{participant_id}_{image}_*.nii.gz")
    _, problems = select_pairs(caps, tsv, [], settings)
    assert "0 files match --brain-mask for the T1nce of sub-01" in problems["sub-01 (row 2)"]
    (caps / "masks").mkdir()
    for name in ("T1nce_a", "T1ce_a", "T1ce_b"):
        (caps / "masks" / f"sub-01_{name}.nii.gz").touch()
    _, problems = select_pairs(caps, tsv, [], settings)
    assert "2 files match --brain-mask for the T1ce" in problems["sub-01 (row 2)"]


@pytest.mark.parametrize("absolute", [False, True])
def test_brackets_in_the_path_of_the_caps_are_no_pattern(caps, tsv, absolute):
    caps = caps.rename(caps.with_name("caps [2024]"))
    (caps / "masks").mkdir()
    for name in ("T1nce", "T1ce"):
        (caps / "masks" / f"sub-01_{name}.nii.gz").touch()
    folder = caps.parent / "caps ?2024?" if absolute else ""
    (job,), _ = select_pairs(
        caps,
        tsv,
        [],
        EvaluationSettings(brain_mask=str(Path(folder, "masks/{participant_id}_{image}.nii*"))),
    )
    assert job.masks["T1ce"] == caps / "masks" / "sub-01_T1ce.nii.gz"


def test_what_was_evaluated_with_other_files_or_settings_is_not_done(caps, tsv, tmp_path):
    (job,), _ = select_pairs(caps, tsv, [], EvaluationSettings())
    record = job.record_path(tmp_path)
    record.parent.mkdir(parents=True)
    record.write_text(f'{{"fingerprint": "{job.fingerprint}"}}')
    assert is_evaluated(job, tmp_path)
    (other,), _ = select_pairs(caps, tsv, [], EvaluationSettings(align="none"))
    assert not is_evaluated(other, tmp_path)
    job.images["m"].write_bytes(b"new")
    (changed,), _ = select_pairs(caps, tsv, [], EvaluationSettings())
    assert not is_evaluated(changed, tmp_path)
    record.write_text("{")
    assert not is_evaluated(job, tmp_path)


def test_what_lost_a_file_is_not_done(caps, tsv, tmp_path):
    (job,), _ = select_pairs(caps, tsv, [], EvaluationSettings())
    record, page = job.record_path(tmp_path), tmp_path / "page.html"
    record.parent.mkdir(parents=True)
    where = os.path.relpath(page, record.parent)
    record.write_text(json.dumps({"fingerprint": job.fingerprint, "files": {"page": where}}))
    assert not is_evaluated(job, tmp_path)
    page.touch()
    assert is_evaluated(job, tmp_path)


def test_a_model_that_is_missing_is_named(caps, tsv):
    _, problems = select_pairs(caps, tsv, ["other"], EvaluationSettings())
    assert "run `clinica run t1-synth-nce --model other`" in problems["sub-01 (row 2)"]


def test_weights_go_by_the_names_that_t1_synth_nce_takes(caps, tsv, tmp_path):
    weights = save_weights(tmp_path, name="m")
    (job,), _ = select_pairs(caps, tsv, [str(weights), "m"], EvaluationSettings())
    assert list(job.images) == ["T1nce", "T1ce", "m"]
    _, problems = select_pairs(caps, tsv, ["fast"], EvaluationSettings())
    assert f"--model {FAST_MODEL}`" in problems["sub-01 (row 2)"]


def test_nothing_to_compare(caps, tsv):
    names.output_path(crop_path(caps, "sub-01", "ses-M000ce", "ce-gd"), "m").parent.rename(
        caps / "away"
    )
    with pytest.raises(SelectionError, match="no synthetic image"):
        select_pairs(caps, tsv, [], EvaluationSettings())


@pytest.mark.parametrize("pattern", ["**x/{image}", "{image", "/"])
def test_a_pattern_that_is_wrong(caps, tsv, pattern):
    method = VolumeMethod("labels", "labels", structures_of("spm"), pattern)
    jobs, problems = select_pairs(caps, tsv, [], EvaluationSettings(segmentations=(method,)))
    assert not jobs
    (message,) = problems.values()
    assert "--segmentation" in message
    assert "correct " in message
