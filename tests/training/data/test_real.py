from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import ImageError
from clinica_t1nce.training.data.fitted_pairs import Facts, FittedPair, FittedPairCache, fit_pair
from clinica_t1nce.training.data.real import RealPatches, RealVolumes
from clinica_t1nce.training.data.variation import Variation
from clinica_t1nce.volumes.intensity import measure_percentile
from tests.data import volumes

SCALING = {"method": "percentile", "percentile": 70.0, "floor": 0.02}
SHAPE = (48, 52, 44)


def scans(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A T1ce, and the T1nce as another scanner shows it: a gain, a field, noise of its own."""
    t1nce, rng = volumes.folded(SHAPE, seed=seed), np.random.default_rng(100 + seed)
    field = np.linspace(0.9, 1.1, SHAPE[0])[:, None, None]
    other = np.where(t1nce > 0, 3 * t1nce * field + 30 * rng.normal(size=SHAPE), 0)
    t1ce = volumes.enhance(t1nce) + np.where(t1nce > 0, 8 * rng.normal(size=SHAPE), 0)
    return t1ce.clip(min=0).astype(np.float32), other.clip(min=0).astype(np.float32)


@pytest.fixture(scope="module")
def prepared() -> FittedPair:
    return fit_pair(*scans(), SCALING)


def test_the_t1nce_is_brought_to_the_scale_of_the_t1ce(prepared: FittedPair) -> None:
    t1ce, t1nce, mask = prepared.volumes.astype(np.float32)
    assert prepared.volumes.dtype == np.float16
    assert set(np.unique(mask)) == {0, 1}
    assert not t1nce[mask == 0].any()
    assert np.percentile(t1ce[t1ce > 0.02], 70) == pytest.approx(1, abs=0.01)
    rest = (mask > 0) & (t1ce - t1nce < 0.3)
    assert abs(float((t1ce - t1nce)[rest].mean())) < 0.01
    # The tube of volumes.enhance.
    tube = (mask > 0) & ~rest
    enhancement = 350 / measure_percentile(scans()[0]).factor
    assert float((t1ce - t1nce)[tube].mean()) == pytest.approx(enhancement, abs=0.1)
    assert prepared.facts.enhancing == pytest.approx(tube.sum() / mask.sum(), rel=0.3)
    assert prepared.facts.problem == ""
    assert prepared.facts.blur == (0, 0, 0)


def test_thick_slices_are_found() -> None:
    t1ce, t1nce = scans()
    thick = np.where(t1nce > 0, ndimage.gaussian_filter1d(t1nce, 2.0, axis=2), 0)
    blur = fit_pair(t1ce, thick, SCALING).facts.blur
    assert blur[:2] == (0, 0)
    assert blur[2] > 0


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"deviation": 0.5}, "does not fit"),
        ({"shift": 2.0}, "2.0 voxels apart"),
        ({"enhancing": 0.0}, "nothing enhances"),
    ],
)
def test_pairs_that_cannot_be_used_are_told(
    prepared: FittedPair, facts: dict[str, float], problem: str
) -> None:
    assert problem in replace(prepared.facts, **facts).problem


def test_a_shift_and_a_missing_enhancement_are_seen() -> None:
    t1ce, t1nce = scans()
    assert fit_pair(t1ce, np.roll(t1nce, 2, axis=1), SCALING).facts.shift == pytest.approx(
        2, abs=0.4
    )
    plain = volumes.folded(SHAPE) + 8 * np.random.default_rng(5).normal(size=SHAPE) * (
        volumes.folded(SHAPE) > 0
    )
    assert "nothing enhances" in fit_pair(plain, t1nce, SCALING).facts.problem


def test_different_grids_are_refused(tmp_path: Path) -> None:
    t1ce, t1nce = scans()
    with pytest.raises(ImageError, match="bring both to one grid"):
        fit_pair(t1ce, t1nce[1:], SCALING)
    moved = volumes.affine(shape=SHAPE)
    moved[0, 3] += 1
    pair = PairFiles(
        "sub-1",
        volumes.write(tmp_path / "ce.nii.gz", t1ce, volumes.affine(shape=SHAPE)),
        volumes.write(tmp_path / "nce.nii.gz", t1nce, moved),
    )
    cache = FittedPairCache(tmp_path / "cache", SCALING)
    assert cache.fill([pair]) == {
        "sub-1": "sub-1: the two images have different affines; align them"
    }


def test_prepared_pairs_are_kept(tmp_path: Path) -> None:
    t1ce, t1nce = scans()
    pair = PairFiles(
        "sub-1",
        volumes.write(tmp_path / "ce.nii.gz", t1ce),
        volumes.write(tmp_path / "nce.nii.gz", t1nce),
    )
    cache = FittedPairCache(tmp_path / "cache", SCALING)
    assert cache.fill([pair]) == {}
    first = cache.load(pair)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert len(times) == 2
    assert FittedPairCache(tmp_path / "cache", SCALING).load(pair).facts == first.facts
    assert {path: path.stat().st_mtime_ns for path in times} == times
    # Another image of the same name is another pair.
    volumes.write(tmp_path / "nce.nii.gz", t1nce[::-1].copy())
    assert cache.path(pair) not in times


def test_patches(prepared: FittedPair) -> None:
    source = RealPatches([prepared, prepared], seed=3, patch=32, t1nce_share=0.0)
    assert source.epoch == 2
    batch = source.pair(5)
    assert batch["t1ce"].shape == batch["t1nce"].shape == batch["mask"].shape == (1, 32, 32, 32)
    assert batch["mask"].float().mean() > 0.3
    # Where nothing is known nothing is to be removed.
    assert torch.equal(batch["t1ce"][~batch["mask"]], batch["t1nce"][~batch["mask"]])
    again = RealPatches([prepared, prepared], seed=3, patch=32, t1nce_share=0.0).pair(5)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    assert not torch.equal(batch["t1ce"], source.pair(6)["t1ce"])


def test_some_patches_show_the_t1nce(prepared: FittedPair) -> None:
    shown = [
        torch.equal(pair["t1ce"], pair["t1nce"])
        for pair in map(RealPatches([prepared], 0, 32, t1nce_share=0.5).pair, range(40))
    ]
    assert 10 < sum(shown) < 30
    thick = FittedPair(prepared.volumes, replace(prepared.facts, blur=(0.0, 0.0, 1.6)))
    # A T1nce with thick slices is none that is as sharp as a T1ce.
    for number in range(20):
        pair = RealPatches([thick], 0, 32, t1nce_share=1.0).pair(number)
        assert not torch.equal(pair["t1ce"], pair["t1nce"])


def test_a_patch_larger_than_the_volume_is_filled_with_air(prepared: FittedPair) -> None:
    batch = RealPatches([prepared], 0, 64).pair(0)
    assert batch["t1ce"].shape == (1, 64, 64, 64)
    assert not batch["mask"][:, -1].any()


def test_whole_volumes_to_validate_on(prepared: FittedPair) -> None:
    source = RealVolumes([prepared], multiple=16)
    batch = source.pair(0)
    assert source.epoch == 1
    assert all(side % 16 == 0 for side in batch["t1ce"].shape[1:])
    assert float(batch["deviation"]) == pytest.approx(prepared.facts.deviation)


def test_variation_changes_both_images_alike(prepared: FittedPair) -> None:
    rng = np.random.default_rng(0)
    batch = RealPatches([prepared], 0, 32, t1nce_share=0.0).pair(0)
    seen = []
    for _ in range(60):
        varied = Variation()(dict(batch), 32, True, rng)
        assert float(varied["t1ce"].min()) >= 0
        assert float(varied["t1nce"].min()) >= 0
        assert torch.isfinite(varied["t1ce"]).all()
        seen.append(float((varied["t1ce"] - varied["t1nce"]).mean()))
        # Air of a skull-stripped image stays air.
        assert float((varied["t1ce"] == 0).float().mean()) > 0.05
    assert np.std(seen) > 0.2 * np.mean(seen)


def test_another_dose_scales_the_enhancement(prepared: FittedPair) -> None:
    off = dict.fromkeys(("remapped", "gamma", "field", "noise", "blurred", "thick"), 0.0)
    dosed = Variation(dosed=1.0, gain_by=0.0, **off)
    batch = RealPatches([prepared], 0, 32, t1nce_share=0.0).pair(0)
    given = (batch["t1ce"] - batch["t1nce"]).sum()
    ratios = []
    for seed in range(12):
        varied = dosed(dict(batch), 32, True, np.random.default_rng(seed))
        ratios.append(float((varied["t1ce"] - varied["t1nce"]).sum() / given))
        whole = dosed(dict(batch), 32, False, np.random.default_rng(seed))
        # Of a T1nce that is not sharp the difference is not the enhancement alone.
        assert float((whole["t1ce"] - whole["t1nce"]).sum() / given) == pytest.approx(1, abs=0.02)
    assert min(ratios) < 0.5
    assert max(ratios) > 1.1


def test_zoomed_patches_have_the_patch_side(prepared: FittedPair) -> None:
    source = RealPatches([prepared], 0, 32, variation=Variation(zoomed=1.0))
    assert source.pair(1)["t1ce"].shape == (1, 32, 32, 32)
    facts = Facts(0.1, 0.1, 0.0, (0.0, 0.0, 1.6))
    thick = RealPatches([FittedPair(prepared.volumes, facts)], 0, 32, 0.0, Variation(zoomed=1.0))
    # In the voxels of the patch, slices are as thick as before in those of the image.
    assert float(thick.pair(1)["blur"][2]) != pytest.approx(1.6)
