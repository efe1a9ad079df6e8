from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.training.data.sources import LabelMaps, Mixed, RealPairs
from clinica_t1nce.training.run import train
from tests.data import volumes
from tests.data.heads import label_map
from tests.training.small_runs import CPU, ON_MIXTURE, ON_PATCHES, on_volumes


@pytest.fixture(scope="session")
def label_maps(tmp_path_factory: pytest.TempPathFactory) -> LabelMaps:
    folder = tmp_path_factory.mktemp("labels")
    labels = nib.Nifti1Image(label_map().astype(np.int16), np.eye(4))
    nib.save(labels, folder / "head-01_dseg.nii.gz")
    return LabelMaps(folder)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> RealPairs:
    folder = tmp_path_factory.mktemp("pairs")
    files = []
    for seed in range(5):
        t1nce = volumes.brain(seed=seed)
        sides = {"t1ce": volumes.enhance(t1nce), "t1nce": t1nce}
        paths = {
            side: volumes.write(folder / f"{seed}_{side}.nii.gz", data)
            for side, data in sides.items()
        }
        files.append(PairFiles(f"sub-{seed}", **paths))
    return RealPairs(files[:4], files[4:])


@pytest.fixture(scope="session")
def on_patches(label_maps: LabelMaps, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on simulated patches that went through."""
    output = tmp_path_factory.mktemp("finished") / "run"
    assert train(label_maps, output, ON_PATCHES, CPU, "the command") == output / "tiny.safetensors"
    return output


@pytest.fixture(scope="session")
def on_pairs(pairs: RealPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on real pairs that went through."""
    output = tmp_path_factory.mktemp("finished") / "run"
    train(pairs, output, on_volumes(), CPU, "the command")
    return output


@pytest.fixture(scope="session")
def mixture(label_maps: LabelMaps, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    folder = tmp_path_factory.mktemp("folded")
    files = []
    for seed in range(3):
        t1nce = volumes.folded(seed=seed)
        noise = 6 * np.random.default_rng(seed).normal(size=t1nce.shape) * (t1nce > 0)
        sides = {"t1ce": volumes.enhance(t1nce), "t1nce": (t1nce + noise).clip(min=0)}
        paths = {
            side: volumes.write(folder / f"{seed}_{side}.nii.gz", data)
            for side, data in sides.items()
        }
        files.append(PairFiles(f"sub-{seed}", **paths))
    sources = {"real": RealPairs(files[:2], files[2:]), "simulated": label_maps}
    return Mixed(sources, {"real": 2, "simulated": 1})


@pytest.fixture(scope="session")
def on_mixture(mixture: Mixed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on real and simulated patches that went through."""
    output = tmp_path_factory.mktemp("finished") / "run"
    train(mixture, output, ON_MIXTURE, CPU, "the command")
    return output
