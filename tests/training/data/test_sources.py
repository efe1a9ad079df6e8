from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import TrainingError
from clinica_t1nce.training.data import sources
from clinica_t1nce.training.data.numbered import Apart
from clinica_t1nce.training.data.real import FittedVolumes, RealPatches, RealVolumes
from clinica_t1nce.training.data.simulated import SimulatedHeads
from clinica_t1nce.training.data.sources import LabelMaps, Mixed, PlainT1nce, RealPairs
from clinica_t1nce.training.data.volume_pairs import VolumePairs
from clinica_t1nce.training.settings import Settings, card_of, from_preset
from tests.data import volumes
from tests.data.heads import label_map


@pytest.fixture
def label_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of one label map, whose head is simulated in a small field of view."""
    small = partial(SimulatedHeads, shape=(48, 52, 44))
    monkeypatch.setattr(sources, "SimulatedHeads", small)
    labels = nib.Nifti1Image(label_map().astype(np.int16), np.eye(4))
    (tmp_path / "maps").mkdir()
    nib.save(labels, tmp_path / "maps" / "head-01_dseg.nii.gz")
    return tmp_path / "maps"


def on_volumes(**given: Any) -> Settings:
    return from_preset(
        "paper", name="n", architecture="att-unet-light", grid=16, validation_pairs=1, **given
    )


def test_simulated_pairs_are_kept_on_disk(label_maps: Path, tmp_path: Path) -> None:
    settings, output = on_volumes(), tmp_path / "run"
    loaded = LabelMaps(label_maps, pairs=3).load(card_of(settings), settings, output, workers=0)
    assert (loaded.training.epoch, loaded.validation.epoch) == (3, 1)
    files = {path: path.read_bytes() for path in output.glob("simulated/*/*.npy")}
    assert len(files) == 8
    assert loaded.training.pair(0)["t1ce"].shape == (1, 16, 16, 16)
    # What is there is not made again, what was lost is made the same, by workers too.
    (lost,) = output.glob("simulated/*/training-000001_t1nce.npy")
    times = {path: path.stat().st_mtime_ns for path in files if "000001" not in path.name}
    lost.unlink()
    LabelMaps(label_maps, pairs=3).load(card_of(settings), settings, output, workers=1)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    made = np.load(lost)
    lost.write_bytes(files[lost])
    # Not to the bit: a worker has one thread.
    np.testing.assert_allclose(made, np.load(lost), atol=1e-5)


def test_simulated_pairs_without_end(label_maps: Path, tmp_path: Path) -> None:
    settings = on_volumes(method="unpaired")
    loaded = LabelMaps(label_maps).load(card_of(settings), settings, tmp_path / "run", workers=0)
    assert loaded.training.epoch is None
    assert isinstance(loaded.training, Apart)
    assert loaded.validation.epoch == 1
    # Of different people, each image is scaled by itself, whatever is fitted.
    fitted = replace(settings, fit=True)
    other = LabelMaps(label_maps).load(card_of(fitted), fitted, tmp_path / "run", workers=0)
    drawn, again = loaded.training.pair(0), other.training.pair(0)
    assert all(torch.equal(drawn[side], again[side]) for side in ("t1ce", "t1nce"))


def test_number_of_patches_is_refused(label_maps: Path, tmp_path: Path) -> None:
    settings = from_preset("change", name="n")
    with pytest.raises(TrainingError, match="leave --pairs out"):
        LabelMaps(label_maps, 3).load(card_of(settings), settings, tmp_path / "run", workers=0)


def real_pairs(folder: Path, number: int, missing: str = "") -> list[PairFiles]:
    pairs = []
    for seed in range(number):
        paths: dict[str, Path | None] = {}
        for side in ("t1ce", "t1nce"):
            data = volumes.brain(seed=seed)
            data = volumes.enhance(data) if side == "t1ce" else data
            path = volumes.write(folder / f"{seed}_{side}.nii.gz", data)
            paths[side] = None if side == missing else path
        pairs.append(PairFiles(f"sub-{seed}", **paths))
    return pairs


def test_real_pairs_are_prepared(tmp_path: Path) -> None:
    pairs = real_pairs(tmp_path, 4)
    settings = on_volumes(augment=True)
    data = RealPairs(pairs[:2], pairs[2:], cache=tmp_path / "cache")
    loaded = data.load(card_of(settings), settings, tmp_path / "run", workers=0)
    assert isinstance(loaded.training, VolumePairs)
    assert loaded.training.augmentation is not None
    # As many as asked for, never varied.
    assert loaded.validation.epoch == 1
    assert not torch.equal(loaded.training.pair(0)["t1ce"], loaded.validation.pair(0)["t1ce"])
    assert len(list((tmp_path / "cache").iterdir())) == 6
    assert not (tmp_path / "run").exists()


def test_unpaired_images_need_both_kinds(tmp_path: Path) -> None:
    settings = on_volumes(method="unpaired")
    data = RealPairs(real_pairs(tmp_path, 2, missing="t1nce"), paired=False)
    with pytest.raises(TrainingError, match="no T1nce"):
        data.load(card_of(settings), settings, tmp_path / "run", workers=0)


def test_identity_tells_other_pairs_apart_without_naming_them(tmp_path: Path) -> None:
    pairs = real_pairs(tmp_path, 3)
    identity = RealPairs(pairs[:2]).identity()
    assert identity == RealPairs(pairs[:2]).identity()
    assert identity != RealPairs(pairs[1:]).identity()
    assert "sub-" not in str(identity)


def folded_pairs(folder: Path, number: int) -> list[PairFiles]:
    """Pairs of folded brains, the T1nce with a gain and noise of its own."""
    pairs = []
    for seed in range(number):
        t1nce = volumes.folded(seed=seed)
        rng = np.random.default_rng(seed)
        scans = {
            "t1ce": volumes.enhance(t1nce),
            "t1nce": np.where(t1nce > 0, 3 * t1nce + 20 * rng.normal(size=t1nce.shape), 0),
        }
        paths = {
            side: volumes.write(folder / f"{seed}_{side}.nii.gz", data.clip(min=0))
            for side, data in scans.items()
        }
        pairs.append(PairFiles(f"sub-{seed}", **paths))
    return pairs


def on_patches(**given: Any) -> Settings:
    return from_preset("mixed", name="n", patch=32, **given)


def test_real_pairs_are_cut_into_patches(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = folded_pairs(tmp_path, 3)
    plain = PairFiles("sub-plain", pairs[0].t1nce, pairs[1].t1nce)
    settings, output = on_patches(), tmp_path / "run"
    data = RealPairs([pairs[0], plain, pairs[1]], pairs[2:])
    loaded = data.load(card_of(settings), settings, output, workers=0)
    assert isinstance(loaded.training, RealPatches)
    assert loaded.training.epoch == 2
    assert loaded.training.variation is not None
    assert isinstance(loaded.validation, RealVolumes)
    # What cannot be trained on is named, and shown with all others.
    assert "left out: sub-plain: " in caplog.text
    assert (output / "real_pairs.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(TrainingError, match=r"none of 1 real pairs can be trained on"):
        RealPairs([plain]).load(card_of(settings), settings, output, workers=0)


def test_fitted_volumes(label_maps: Path, tmp_path: Path) -> None:
    pairs = folded_pairs(tmp_path, 3)
    settings = replace(on_volumes(), grid=64, fit=True, t1nce_share=0.0)
    data = RealPairs(pairs[:2], pairs[2:])
    loaded = data.load(card_of(settings), settings, tmp_path / "run", workers=0)
    assert isinstance(loaded.training, FittedVolumes)
    assert (loaded.training.epoch, loaded.validation.epoch) == (2, 1)
    pair = loaded.training.pair(0)
    t1ce, t1nce = pair["t1ce"], pair["t1nce"]
    assert t1ce.shape == t1nce.shape == (1, 64, 64, 64)
    # The T1ce sets the scale; the T1nce's own gain of 3 is gone.
    assert (t1ce.min(), t1ce.max()) == (0, 1)
    assert abs(t1nce[t1ce > 0.2].median() - t1ce[t1ce > 0.2].median()) < 0.05
    assert (t1ce - t1nce).max() > 0.1
    assert torch.equal(loaded.training.pair(0)["t1nce"], t1nce)
    # The head is in the middle.
    centre = [float(torch.nonzero(t1ce[0] > 0.2)[:, axis].float().mean()) for axis in range(3)]
    np.testing.assert_allclose(centre, 31.5, atol=2)
    alone = FittedVolumes(loaded.training.pairs, (64, 64, 64), {"method": "min-max"}, 0, 1.0)
    shown = alone.pair(0)
    assert torch.equal(shown["t1ce"], shown["t1nce"])
    # Simulated heads are scaled alike.
    simulated = LabelMaps(label_maps, pairs=1)
    loaded = simulated.load(card_of(settings), settings, tmp_path / "run", workers=0)
    head = loaded.training.pair(0)
    assert head["t1ce"].max() == pytest.approx(1, abs=0.2)
    assert (head["t1nce"] <= head["t1ce"] + 1e-5).float().mean() > 0.99


def test_sources_together(label_maps: Path, tmp_path: Path) -> None:
    pairs = folded_pairs(tmp_path, 3)
    sources = {
        "real": RealPairs(pairs[:2], pairs[2:]),
        "simulated": LabelMaps(label_maps),
        "t1nce": PlainT1nce([pairs[2].t1nce]),
    }
    settings = on_patches(augment=False)
    data = Mixed(sources, {"real": 2, "simulated": 1, "t1nce": 1})
    loaded = data.load(card_of(settings), settings, tmp_path / "run", workers=0)
    batch = [loaded.training.pair(number) for number in range(8)]
    assert len({frozenset(pair) for pair in batch}) == 1
    assert sum(bool(pair["noisy"]) for pair in batch) == 4
    same = [torch.equal(pair["t1ce"], pair["t1nce"]) for pair in batch if not pair["noisy"]]
    assert sum(same) >= 2
    assert isinstance(loaded.validation, RealVolumes)
    assert data.description() == (
        "2 real pairs (2 of 4 pairs); pairs simulated from 1 label maps (1 of 4 pairs); "
        "1 real T1nce alone (1 of 4 pairs)"
    )
    other = Mixed(sources, {"real": 1, "simulated": 1, "t1nce": 1})
    assert data.identity() != other.identity()
    assert "sub-" not in str(data.identity())
