from pathlib import Path

import numpy as np
import pytest
import torch

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import OutputError, TrainingError
from clinica_t1nce.training.data.variation import Augmentation
from clinica_t1nce.training.data.volume_pairs import VolumeCache, VolumePairs
from clinica_t1nce.volumes import grids, intensity
from tests.data import volumes

MIN_MAX = {"method": "min-max"}


def write_pair(folder: Path, name: str = "sub-01", seed: int = 0, kind: str = "ras") -> PairFiles:
    t1nce = volumes.brain(seed=seed)
    paths = {}
    for side, data in (("t1ce", volumes.enhance(t1nce)), ("t1nce", t1nce)):
        paths[side] = volumes.write(folder / f"{name}_{side}.nii.gz", data, volumes.affine(kind))
    return PairFiles(name, **paths)


def test_network_is_given_what_synthesis_gives_it(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, kind="las")
    cache = VolumeCache(tmp_path / "cache", (16, 16, 16), MIN_MAX)
    cache.fill([pair])
    volume = volumes.enhance(volumes.brain())[::-1]
    scaled = intensity.measure(volume, **MIN_MAX).apply(volume)
    expected = grids.resample(torch.from_numpy(scaled.copy())[None, None], (16, 16, 16))[0, 0]
    assert np.array_equal(np.load(cache.path(pair.t1ce)), expected.numpy())


def test_volumes_are_prepared_once(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"sub-{n}", n) for n in range(2)]
    cache = VolumeCache(tmp_path / "cache", None, MIN_MAX)
    cache.fill(pairs[:1])
    written = {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()}
    cache.fill(pairs)
    assert len(list(cache.folder.iterdir())) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in written.items())
    # A changed image, and another network's input, are others.
    before = cache.path(pairs[0].t1ce)
    volumes.write(pairs[0].t1ce, volumes.brain(seed=9) + 1)
    assert cache.path(pairs[0].t1ce) != before
    assert VolumeCache(cache.folder, (16, 16, 16), MIN_MAX).path(pairs[0].t1nce) not in written


def test_workers_prepare_too(tmp_path: Path) -> None:
    pairs = [write_pair(tmp_path, f"sub-{n}", n) for n in range(3)]
    cache = VolumeCache(tmp_path / "cache", None, MIN_MAX)
    cache.fill(pairs, workers=2)
    assert len(list(cache.folder.iterdir())) == 6


def test_pairs_that_cannot_be_trained_on(tmp_path: Path) -> None:
    good, damaged, same, other = (write_pair(tmp_path, f"sub-{n}", n) for n in range(4))
    damaged.t1ce.write_bytes(b"no image")
    same.t1ce.write_bytes(same.t1nce.read_bytes())
    volumes.write(other.t1ce, volumes.brain((16, 28, 20)))
    with pytest.raises(TrainingError, match=r"^3 of 4 pairs cannot be trained on") as caught:
        VolumeCache(tmp_path / "cache", None, MIN_MAX).fill([good, damaged, same, other])
    message = str(caught.value)
    assert f"{damaged.t1ce}: not a NIfTI file" in message
    assert "sub-2: the same image on both sides" in message
    assert "sub-3: grids of" in message
    assert "\n" not in message


def test_disk_that_is_too_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = write_pair(tmp_path)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"--cache"):
        VolumeCache(tmp_path / "cache", (16, 16, 16), MIN_MAX).fill([pair])
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def files(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of three pairs whose voxels say which pair and side they are of."""
    sides: tuple[list[Path], list[Path]] = ([], [])
    for number in range(3):
        for side in (0, 1):
            path = tmp_path / f"{number}-{side}.npy"
            ramp = np.arange(20 * 20 * 20, dtype=np.float32).reshape(20, 20, 20)
            np.save(path, ramp + 1 + 10_000 * number + 100_000 * side)
            sides[side].append(path)
    return sides


def identity(volume: torch.Tensor) -> int:
    return int(volume.min()) % 100_000 // 10_000


def test_each_epoch_sees_every_pair_in_another_order(files: tuple[list, list]) -> None:
    pairs = VolumePairs(*files, seed=1)
    assert pairs.epoch == 3
    seen = []
    for number in range(18):
        pair = pairs.pair(number)
        assert identity(pair["t1ce"]) == identity(pair["t1nce"])
        assert float((pair["t1nce"] - pair["t1ce"]).min()) == 100_000
        seen.append(identity(pair["t1ce"]))
    epochs = [tuple(seen[first : first + 3]) for first in range(0, 18, 3)]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs)
    assert len(set(epochs)) > 1
    assert seen[4] == identity(VolumePairs(*files, seed=1).pair(4)["t1ce"])


def test_unpaired_sides_are_drawn_apart(files: tuple[list, list]) -> None:
    pairs = VolumePairs(files[0], files[1][:2], seed=1, paired=False)
    assert pairs.epoch == 3
    drawn = {
        (identity(pair["t1ce"]), identity(pair["t1nce"])) for pair in map(pairs.pair, range(60))
    }
    assert drawn == {(first, second) for first in range(3) for second in range(2)}


def test_patches_are_of_the_same_place(files: tuple[list, list]) -> None:
    pairs = VolumePairs(*files, seed=1, patch=16)
    first, second = pairs.pair(0), pairs.pair(3)
    assert first["t1ce"].shape == (1, 16, 16, 16)
    assert float((first["t1nce"] - first["t1ce"]).min()) == 100_000
    assert float(first["t1ce"].min()) % 10_000 != float(second["t1ce"].min()) % 10_000
    with pytest.raises(TrainingError, match="--patch"):
        VolumePairs(*files, seed=1, patch=32).pair(0)


def test_validation_is_in_order_and_does_not_change(files: tuple[list, list]) -> None:
    pairs = VolumePairs(*files, seed=None, patch=16)
    assert [identity(pairs.pair(number)["t1ce"]) for number in range(3)] == [0, 1, 2]
    assert torch.equal(pairs.pair(1)["t1ce"], pairs.pair(1)["t1ce"])


def test_augmentation_changes_both_images_alike() -> None:
    t1nce = torch.from_numpy(volumes.brain() / 400)[None]
    t1ce = t1nce + 0.5 * (t1nce > 0.9)
    pair = {"t1ce": t1ce, "t1nce": t1nce, "mask": torch.ones_like(t1ce, dtype=torch.bool)}
    same = {**pair, "t1ce": t1nce}
    augment = Augmentation()
    changed = [augment(pair, seed) for seed in range(6)]
    assert all(not torch.equal(one["t1ce"], t1ce) for one in changed)
    assert len({float(one["t1ce"].sum()) for one in changed}) == 6
    assert torch.equal(changed[2]["t1ce"], augment(pair, 2)["t1ce"])
    for seed in range(6):
        equal = augment(same, seed)
        assert torch.allclose(equal["t1ce"], equal["t1nce"], atol=1e-5)
    assert torch.equal(pair["t1ce"], t1ce)
