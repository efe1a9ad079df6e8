"""Each script runs on something small; what it measures is for those who run it to look at."""

import json
import runpy
import sys
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from clinica_t1nce.bids.pairs import read_usable
from clinica_t1nce.caps import names
from clinica_t1nce.caps.query import find_pair
from clinica_t1nce.evaluation.structures import PATTERNS
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import read_rows, table_text
from clinica_t1nce.simulation.anatomy import prepare_anatomy
from clinica_t1nce.simulation.tissues import Tissue
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.translation import classification
from clinica_t1nce.volumes import bias, mni
from tests.data import volumes
from tests.data.caps import crop_path, make_caps, save_weights
from tests.data.generators import Generator
from tests.data.heads import label_map
from tests.data.raw import make_visit


@pytest.fixture
def script(repository):
    """Give what a script defines."""
    return lambda name: SimpleNamespace(
        **runpy.run_path(str(repository / "benchmarks" / f"{name}.py"), run_name=name)
    )


@pytest.fixture
def run(repository, monkeypatch, capsys, tmp_path):
    """Run a script in an empty folder, and give what it prints."""
    monkeypatch.chdir(tmp_path)

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(repository / "benchmarks" / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return call


@pytest.fixture
def pair(tmp_path):
    """Write a T1ce and a T1nce with noise of their own."""
    rng, head = np.random.default_rng(0), volumes.brain()
    images = {"ce": volumes.enhance(head), "nce": head}
    return [
        volumes.write(
            tmp_path / f"sub-01_{name}.nii.gz",
            np.where(head > 0, image + rng.normal(scale=4, size=head.shape), 0),
            volumes.affine(),
        )
        for name, image in images.items()
    ]


@pytest.fixture
def heads(tmp_path):
    image = nib.Nifti1Image(label_map().astype(np.int16), np.eye(4))
    nib.save(image, tmp_path / "a_dseg.nii.gz")
    return tmp_path


def cells_of(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_crops_on_their_raw_images(run, tmp_path, monkeypatch):
    visit = make_visit(tmp_path)
    monkeypatch.setattr(Synthesizer, "load", Generator)
    # Each route looks at the head where it finds it to lie, and an ellipsoid gives little hold.
    _, follows, correlation = cells_of(
        run("routes", visit.caps, visit.bids).strip().splitlines()[-1]
    )
    assert follows == "yes"
    assert float(correlation) > 0.2
    cells = cells_of(
        run("affines", "--caps", visit.caps, "--bids", visit.bids).strip().splitlines()[-1]
    )
    assert cells[:3] == ["sub-01", "sub-01 ses-1", "right"]
    assert min(map(float, cells[3:])) > 0.98
    rows = run("n4", visit.caps, visit.bids, tmp_path / "n4").strip().splitlines()[-3:]
    name, mean, largest = cells_of(rows[0])
    assert name == "sub-01_ses-1_ce-gd"
    assert 0 <= float(mean) <= float(largest)
    assert cells_of(rows[2])[0] == "sub-01_ses-1_ce-gd, share removed"
    assert len([*tmp_path.glob("n4/*/subjects/sub-01/ses-1/t1_linear/*.nii.gz")]) == 3
    image, sharpness, correlation = cells_of(
        run("grids", visit.caps, visit.bids).strip().splitlines()[-1]
    )
    assert image == "sub-01 ses-1"
    assert 0.1 < float(sharpness) < 1
    assert float(correlation) > 0.99


def test_curves(run, tmp_path):
    (tmp_path / "metrics.tsv").write_text("step\ttrain_loss\n5\t0.5\n10\t0.25\n")
    run("curves", tmp_path, "--out", "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_detection(run, tmp_path):
    rows = [
        {"participant_id": "sub-1", "session_id": "ses-1", "probability": "0.9", "metadata": why}
        for why in ("ce entity", "nothing")
    ]
    (tmp_path / "gadolinium.tsv").write_text(table_text(rows, classification.COLUMNS))
    printed = run("detection", "gadolinium.tsv")
    assert "| 2 | 0.500 | 0.500 |" in printed
    assert "| sub-1 ses-1 | T1nce | 0.9 |" in printed


def test_overlay(run, pair, tmp_path):
    mask = volumes.write(tmp_path / "mask.nii.gz", volumes.brain() > 0, volumes.affine())
    for options in ([], ["--vessels", mask]):
        run("overlay", *pair, "p.png", *options)
        assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_real_pairs(run, pair, tmp_path):
    t1ce, t1nce = (path.name for path in pair)
    rows = f"t1ce\tt1nce\tsplit\tsharp\tname\n{t1ce}\t{t1nce}\ttest\tboth\tone\n"
    (tmp_path / "files.tsv").write_text(rows)
    options = ["--split", "test", "--model", save_weights(tmp_path), "--device", "cpu"]
    options += ["--out", "out", "--volumes", "--judge", "gaussians"]
    for table in run("real_pairs", "--pairs", "files.tsv", *options).split("\n\n"):
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
    found = {row["method"]: row for row in read_rows(tmp_path / "out" / "real_pairs.tsv")}
    assert float(found["nothing"]["share"]) == pytest.approx(0, abs=1e-5)
    volumes_of = [
        sum(float(found["nothing"][f"{image}_{tissue}"]) for tissue in ("gm", "wm", "csf"))
        for image in ("volume", "reference")
    ]
    assert volumes_of[0] == pytest.approx(volumes_of[1])
    assert volumes_of[0] > 0
    assert list(found)[3:] == ["perfect removal", "fitted T1nce"]
    assert float(found["perfect removal"]["share"]) == pytest.approx(1, abs=1e-5)
    assert float(found["fitted T1nce"]["total"]) == pytest.approx(0, abs=1e-5)
    labels = {
        path.parent.name: path for path in tmp_path.glob("out/segmented/gaussians/*/*_dseg.nii.gz")
    }
    assert labels.keys() == {"T1nce", "T1ce", *list(found)[1:3]}
    assert labels["T1nce"].name == "one_dseg.nii.gz"
    for name, column in (("T1nce", "reference_csf"), ("T1ce", "volume_csf")):
        image = nifti.load(labels[name])
        found_csf = (image.data == 3).sum() * abs(np.linalg.det(image.affine)) / 1000
        assert found_csf == pytest.approx(float(found["nothing"][column]))


def test_agreement_of_real_pairs(script):
    rows = [
        {"method": "nothing", "sharp": sharp}
        | {f"{k}_{tissue}": v for tissue in ("gm", "wm", "csf") for k, v in values.items()}
        for sharp, volume in ((True, 105.0), (True, 110.0), (True, 115.0), (False, 900.0))
        for values in [{"volume": volume, "reference": 100.0, "avd": volume - 100, "dice": 0.5}]
    ]
    line = script("real_pairs").agreement(rows).splitlines()[2]
    assert line.startswith("| GM | nothing | +10.0 | -2.4 to +22.4 | +0.2 to +19.8 | 10.0 | 0.500")


def test_semi_real_heads(script):
    head, brain = np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool)
    brain[:2] = True
    added = np.zeros_like(head)
    added[0] = 0.5
    compare = script("semi_real_heads").compare
    assert compare(head, added, head, brain)["share"] == 1
    half = head + added / 2
    half[1], half[3] = 0.9, 0.8
    found = compare(head, added, half, brain)
    expected = {"added": 25, "share": 0.3, "inside": 0.5, "outside": 10, "beyond": 10}
    assert found == pytest.approx({**expected, "wrongly": 1.6 / 5.6})


def test_pairs_in_mni(run, pair, tmp_path, monkeypatch):
    """Both images are moved by the affine of the T1nce."""
    pose, asked = np.eye(4), []
    pose[:3, 3] = 4.5, -6.5, 9.5
    monkeypatch.setattr(mni, "find_pose", lambda volume, _: asked.append(volume) or pose)
    monkeypatch.setattr(bias, "measure_bias", lambda volume, _: np.full_like(volume, 2))
    t1ce, t1nce = pair
    rows = f"{t1ce.name}\t{t1nce.name}\tvalidation\tA_1\n{t1ce.name}\tgone.nii\ttrain\tB\n"
    (tmp_path / "files.tsv").write_text("t1ce\tt1nce\tsplit\tname\n" + rows)
    run("pairs_in_mni", "files.tsv", "--out", "caps")
    ((row, _),), _ = read_usable(tmp_path / "caps" / "pairs.tsv")
    made = find_pair(tmp_path / "caps", row)
    assert len(asked) == 1
    for path, crop in ((t1nce, made.t1nce), (t1ce, made.t1ce)):
        image, moved = nifti.load(path), nifti.load(crop, shape=nifti.CROP_SHAPE)
        corner = np.linalg.inv(moved.affine) @ np.linalg.inv(pose) @ image.affine @ [0, 0, 0, 1]
        box = tuple(
            slice(round(c), round(c) + n) for c, n in zip(corner[:3], image.data.shape, strict=True)
        )
        np.testing.assert_allclose(moved.data[box], image.data / 2, rtol=1e-5)


def test_contrast(run, tmp_path, monkeypatch):
    """Gray matter that the T1ce's scan shows brighter is told, whatever enhances."""
    monkeypatch.setattr(Synthesizer, "load", lambda *_: Generator())
    t1nce = volumes.folded()
    brighter = np.interp(t1nce, [0, 120, 280, 400], [0, 120, 300, 400])
    noise = np.random.default_rng(0).normal(scale=4, size=t1nce.shape) * (t1nce > 0)
    for name, image in (("nce", t1nce + noise), ("ce", volumes.enhance(brighter))):
        volumes.write(tmp_path / f"{name}.nii.gz", image.clip(min=0).astype(np.float32))
    rows = "ce.nii.gz\tnce.nii.gz\ttrain\tA\tboth\nce.nii.gz\tnce.nii.gz\ttrain\tB\tT1ce\n"
    (tmp_path / "files.tsv").write_text("t1ce\tt1nce\tsplit\tname\tsharp\n" + rows)
    printed = run("contrast", "files.tsv")
    name, *values = cells_of(printed.splitlines()[2])
    assert name == "A"
    assert "| B |" not in printed
    _, _, _, gray, gray_t1ce, _ = map(float, values)
    assert gray == pytest.approx(0.7, abs=0.02)
    assert gray_t1ce - gray == pytest.approx(0.05, abs=0.01)
    with pytest.raises(SystemExit, match=r"files.tsv: no sharp pair of validation to measure"):
        run("contrast", "files.tsv", "--split", "validation")


def test_samseg(run, tmp_path):
    """Label maps lie where the command looks for them; what is there is not made again."""
    visits = {("sub-01", "ses-1"): "", ("sub-01", "ses-2"): "ce-gadolinium"}
    caps = make_caps(tmp_path / "caps", visits, images=False)
    rows = "participant_id\tsession_id_t1nce\tsession_id_t1ce\nsub-01\tses-1\tses-2\n"
    (tmp_path / "pairs.tsv").write_text(rows)
    command = tmp_path / "run_samseg"
    command.write_text('#!/bin/sh\ntest -f "$2" && echo "$2" > "$4/seg.mgz"\n')
    command.chmod(0o755)
    images = [crop_path(caps, *visit, entities) for visit, entities in visits.items()]
    images.append(names.output_path(images[1], "m"))
    images[2].parent.mkdir(parents=True)
    images[2].touch()
    given = ("samseg", caps, "pairs.tsv", tmp_path / "found", "--model", "m", "--command", command)
    assert len(run(*given).splitlines()) == 3
    for kind, image in zip(("T1nce", "T1ce", "m"), images, strict=True):
        source = image.name.removesuffix("_T1w.nii.gz")
        pattern = PATTERNS["samseg"].replace("{image}", kind).replace("{source}", source)
        (found,) = (tmp_path / "found").glob(pattern)
        assert found.read_text() == f"{image}\n"
    assert run(*given) == ""


def test_l1(script, pair, tmp_path):
    l1 = script("l1")
    t1ce, t1nce = (l1.scaled(nib.load(path).get_fdata(dtype=np.float32)) for path in pair)
    scaled = l1.Scaled("sub-01", "real", t1ce, t1nce, np.eye(4))

    class TooBright:
        card = SimpleNamespace(grid=(8, 8, 8))

        def __call__(self, t1ce, affine):
            return SimpleNamespace(image=t1ce + 0.01)

    made = l1.make(scaled, {"too bright": TooBright()})
    rows = l1.measure(scaled, made)
    assert rows[0].l1 == pytest.approx(float(np.abs(t1ce - t1nce).mean()))
    assert l1.markdown(rows).startswith("| method |")
    l1.draw([l1.planes(scaled, made)], tmp_path / "l1.png")
    assert (tmp_path / "l1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("inference", [False, True])
def test_networks(run, inference):
    settings = {"preset": "att-unet-light", "batch": 1, "side": 32, "way": "plain", "steps": 1}
    settings |= {"device": "cpu", "bf16": False, "inference": inference}
    found = json.loads(run("networks", "--one", json.dumps(settings)))
    assert min(found["seconds"], found["processor"], found["gib"]) > 0
    assert found["loss"] == 0 if inference else found["loss"] > 0


def test_patches(script):
    class Thirds(torch.nn.Module):
        quantiles = (0.25, 0.5, 0.75)

        def forward(self, x):
            return torch.cat([0.1 * x, 0.2 * x, 0.6 * x], dim=1)

    t1ce = torch.rand(1, 4, 4, 4)
    found = script("patches").changes(Thirds(), t1ce, (0.5, 0.55, 0.75))
    torch.testing.assert_close(found, torch.cat([0.2 * t1ce, 0.28 * t1ce, 0.6 * t1ce]))


def test_simulator(run, heads):
    printed = run("simulator", heads, "--side", 16, "--pairs", 3, "--device", "cpu", "--parts")
    assert "3 pairs of 16^3, cpu, 1 CPU threads:" in printed
    assert "\nPlacement " in printed
    run("simulated_pairs", heads, "--pairs", 3, "--out", "pairs.png")
    assert (heads / "pairs.png").stat().st_size > 5000


def test_group_comparison(script, tmp_path):
    compare, rng = script("group_comparison"), np.random.default_rng(0)
    anatomy = prepare_anatomy(label_map())
    whole = anatomy.tissue == Tissue.CORTEX
    left = [compare.atrophied(anatomy, lost, rng).tissue == Tissue.CORTEX for lost in (0.2, 0.4)]
    lost = [np.count_nonzero(whole & ~each) for each in left]
    assert lost[1] == pytest.approx(2 * lost[0], abs=2)
    assert not any((each & ~whole).any() for each in left)
    rows = [
        {"pair": number, "group": group, "T1ce": False, "condition": condition, "tissue": tissue}
        | {"fraction": 0.4 + 0.01 * number * (group == "patients")}
        for condition in compare.CONDITIONS
        for tissue in compare.TISSUES
        for group in compare.LOST
        for number in range(10)
    ]
    found = compare.differences(pd.DataFrame(rows))
    assert set(found["who"]) == {"nobody"}
    summary = compare.effects(found)
    assert list(summary["difference"]) == pytest.approx([4.5] * 6)
    assert list(summary["d"]) == pytest.approx([4.5 / np.std(range(10), ddof=1)] * 6)
    compare.draw(found, summary, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_vessel_prior(script):
    labels = label_map()
    marked, inside = script("vessel_prior").mark(labels)
    assert marked[np.isin(labels, (514, 136, 163, 502)) & inside].all()
    # Deep in the brain there is neither.
    assert not marked[(labels == 2) & (np.indices(labels.shape)[2] > 30)].any()
    assert inside[labels == 3].all()
    assert not inside[labels == 511].any()


def test_growth(script, tmp_path):
    growth = script("growth")
    growth.finished(tmp_path / "caps", 2)
    assert list(growth.stages(tmp_path / "caps")) == list(growth.STAGES)
    rows = read_rows(tmp_path / "caps" / "t1_synth_nce.tsv")
    assert [(row["status"], row["confidence"]) for row in rows] == [
        ("done", "0.0"),
        ("done", "0.0103"),
    ]
    growth.draw(tmp_path / "growth.png", {2: dict.fromkeys((*growth.STAGES, "again", "MB"), 1.0)})
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_stages(script, tmp_path):
    stages = script("stages")
    crops = [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]
    stages.make(tmp_path / "caps", crops, 3)
    linked = sorted((tmp_path / "caps").glob("subjects/*/*/t1_linear/*_T1w.nii.gz"))
    assert [path.readlink() for path in linked] == [crops[0], crops[1], crops[0]]
    every = {**stages.STAGES, **stages.FILE}
    for owner, name in (stages.find(place) for places in every.values() for place in places):
        assert callable(getattr(owner, name))
    clock = stages.Clock()
    inner = clock.time("inner", lambda: sum(range(300_000)))
    clock.time("outer", inner)()
    assert 0 <= clock.seconds["outer"] < clock.seconds["inner"]
