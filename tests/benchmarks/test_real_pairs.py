import csv
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.registration import Alignment
from clinica_t1nce.evaluation.segmentation import Segmentation
from clinica_t1nce.files import nifti
from tests.data import volumes


@pytest.fixture(scope="module")
def script(repository: Path):
    spec = importlib.util.spec_from_file_location(
        "real_pairs", repository / "benchmarks" / "real_pairs.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pairs(script, tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for participant, sharp in (("sub-01", True), ("sub-02", False)):
        head = volumes.brain()
        t1ce, t1nce = (
            nifti.load(
                volumes.write(
                    tmp_path / f"{participant}_{contrast}.nii.gz",
                    np.where(head > 0, v + rng.normal(scale=4, size=v.shape), 0),
                    volumes.affine(),
                )
            )
            for contrast, v in (("ce", volumes.enhance(head)), ("nce", head))
        )
        brain = (t1ce.data > 0) & (t1nce.data > 0)
        made.append(script.RealPair(participant, sharp, t1ce, t1nce, t1nce.data, brain, brain))
    return made


def real_wm(pair):
    """Volume of what the threshold calls white matter in the T1nce, cm3."""
    return np.count_nonzero(pair.brain & (pair.t1nce.data >= 320)) / 1000


def batched(rows):
    return zip(rows[::2], rows[1::2], strict=True)


def test_table_of_baselines_and_methods(script, pairs, tmp_path):
    by_file = {pair.t1ce.path: pair.t1nce.data for pair in pairs}
    methods = {
        "nothing": script.nothing,
        "perfect": lambda image: by_file.get(image.path, image.data),
    }
    rows = script.evaluate(iter(pairs), methods, tmp_path / "out")
    assert [(row["pair"], row["method"]) for row in rows] == [
        ("sub-01", "nothing"),
        ("sub-01", "perfect"),
        ("sub-02", "nothing"),
        ("sub-02", "perfect"),
    ]
    for share, error in (("share", "total"), ("linear_share", "linear_error_synthetic")):
        assert [row[share] for row in rows[::2]] == pytest.approx([0, 0], abs=1e-5)
        assert min(row[share] for row in rows[1::2]) >= 1
        assert all(same[error] > perfect[error] for same, perfect in batched(rows))
    assert [row["t1nce_change"] for row in rows] == [0, 0, 0, 0]
    pictures = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert pictures == ["sub-01_model-perfect.png", "sub-02_model-perfect.png"]

    table = script.markdown(script.summary(rows)).splitlines()
    assert len(table) == 2 + 4 + 2 + 2
    assert len({line.count("|") for line in table}) == 1
    assert "| mean of the sharp (1) | nothing |" in table[6]
    assert "| mean of all (2) | nothing |" in table[8]

    script.write_tsv(tmp_path / "rows.tsv", rows)
    with (tmp_path / "rows.tsv").open(newline="") as stream:
        read = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["pair"] for row in read] == ["sub-01", "sub-01", "sub-02", "sub-02"]
    assert float(read[1]["share"]) == rows[1]["share"]
    names = [name for name in read[0] if name in script.TITLES]
    assert names == [name for name in script.TITLES if name in names]


def test_volumes_are_measured_in_one_mask_and_cached(script, pairs, tmp_path, monkeypatch):
    calls = []

    def threshold(volume, affine, mask, priors):
        calls.append(volume)
        labels = np.where(mask, np.array([3, 1, 2])[np.digitize(volume, [200, 320])], 0)
        return Segmentation(labels, np.zeros((3, 1, 1, 1), np.float32))

    monkeypatch.setattr(script, "segment", threshold)
    monkeypatch.setattr(script, "template_priors", lambda shape, affine: None)
    methods = {"nothing": script.nothing, "perfect": lambda image: pairs[0].t1nce.data}
    folder = tmp_path / "segmented"
    rows = script.evaluate(iter(pairs[:1]), methods, None, folder)
    assert len(calls) == 2
    assert rows[0]["avd_wm"] == pytest.approx(abs(rows[0]["vd_wm"]) / 100 * real_wm(pairs[0]))
    assert rows[0]["avd_wm"] > 0
    assert rows[0]["dice_wm"] < 1
    # What one tissue has too much is missing in the others.
    small, middle, large = sorted(rows[0][f"avd_{name}"] for name in ("gm", "wm", "csf"))
    assert small + middle == pytest.approx(large)
    assert (rows[1]["avd_gm"], rows[1]["vd_csf"], rows[1]["dice_wm"]) == (0, 0, 1)
    again = script.evaluate(iter(pairs[:1]), methods, None, folder)
    assert again[0]["avd_gm"] == rows[0]["avd_gm"]
    assert len(calls) == 2
    table = script.markdown(rows).splitlines()
    assert "Dice CSF" in table[0]
    assert len({line.count("|") for line in table}) == 1


def test_a_model_is_run_with_each_blend(script, pairs, tmp_path, monkeypatch):
    class Model:
        def __init__(self, name, device, blend):
            self.card = SimpleNamespace(name=name)
            self.factor = {"change": 1.0, "replace": 0.5}[blend]

        def __call__(self, volume, affine):
            return SimpleNamespace(image=self.factor * volume)

    monkeypatch.setattr("clinica_t1nce.synthesis.synthesizer.Synthesizer.load", Model)
    monkeypatch.setattr(script, "load_pairs", lambda *_: iter(pairs[:1]))
    options = ["--model", "m", "--blend", "replace", "--blend", "change", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["real_pairs.py", "caps", "pairs.tsv", *options])
    script.main()
    with (tmp_path / "real_pairs.tsv").open(newline="") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream, delimiter="\t")}
    assert list(rows)[2:] == ["m (replace)", "m (change)"]
    assert float(rows["m (replace)"]["sharpness"]) == pytest.approx(0.25)
    assert float(rows["m (replace)"]["linear_sharpness"]) == pytest.approx(0.25)
    assert float(rows["m (change)"]["sharpness"]) == pytest.approx(1)


def test_alignment_is_cached(script, pairs, tmp_path, monkeypatch):
    calls = []

    pair = pairs[0]
    monkeypatch.setattr(
        script,
        "align_images",
        lambda moving, *_, mask: calls.append(mask.sum()) or Alignment(moving + 1, np.eye(4)),
    )
    one, again = (script.align(pair.t1nce, pair.t1ce, pair.brain, tmp_path) for _ in range(2))
    assert len(calls) == 1
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(one, pair.t1nce.data + 1)
    script.align(pair.t1ce, pair.t1ce, pair.brain, tmp_path)
    assert len(calls) == 2


def test_missing_crop_is_named(script, tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\nsub-01\tses-M000\tses-M000ce\n"
    )
    with pytest.raises(SelectionError, match="ses-M000ce"):
        next(script.load_pairs(tmp_path, table, tmp_path / "aligned"))


def test_plain_files_of_a_split(script, pairs, tmp_path):
    rows = [
        "t1ce\tt1nce\tsplit\tsharp\tname",
        "sub-01_ce.nii.gz\tsub-01_nce.nii.gz\ttrain\tboth\tone",
        "sub-02_ce.nii.gz\tsub-02_nce.nii.gz\tvalidation\tboth\ttwo",
    ]
    table = tmp_path / "files.tsv"
    table.write_text("\n".join(rows))
    (found,) = script.load_files(table, "validation")
    assert (found.name, found.sharp, found.in_mni) == ("two", True, False)
    np.testing.assert_array_equal(found.aligned, pairs[1].t1nce.data)
    np.testing.assert_array_equal(found.brain, pairs[1].brain)
    with pytest.raises(SelectionError, match="no row of the split test"):
        next(script.load_files(table, "test"))
    shifted = volumes.affine("las")
    volumes.write(tmp_path / "sub-02_nce.nii.gz", pairs[1].t1nce.data, shifted)
    with pytest.raises(SelectionError, match=r"sub-02_nce.nii.gz: not on the grid of"):
        next(script.load_files(table, "validation"))


def test_priors_follow_a_brain_that_is_not_in_mni_space(script, pairs, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(script, "transform_to_mni", lambda pair: np.diag([2.0, 2, 2, 1]))
    monkeypatch.setattr(script, "template_priors", lambda shape, affine: seen.append(affine))
    monkeypatch.setattr(
        script,
        "segment",
        lambda volume, *_: Segmentation(1 + np.indices(volume.shape)[0] % 3, np.zeros(1)),
    )
    pair = replace(pairs[0], in_mni=False)
    script.Tissues(pair, tmp_path)
    np.testing.assert_array_equal(seen[0], np.diag([2.0, 2, 2, 1]) @ pair.t1ce.affine)


@pytest.mark.parametrize("arguments", [[], ["caps"], ["caps", "pairs.tsv", "--pairs", "files.tsv"]])
def test_one_kind_of_pairs(script, monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["real_pairs.py", *arguments])
    with pytest.raises(SystemExit):
        script.main()
    assert "give CAPS and PAIRS_TSV, or --pairs" in capsys.readouterr().err
