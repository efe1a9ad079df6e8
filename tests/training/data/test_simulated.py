"""Patches of simulated pairs."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.errors import LabelMapError, TrainingError
from clinica_t1nce.simulation.anatomy import prepare_anatomy
from clinica_t1nce.training.data import simulated
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies
from tests.data.heads import label_map


def test_white_matter_is_levelled_and_vessels_are_not() -> None:
    t1nce = torch.full((1, 10, 10, 10), 1.0)
    t1nce[:, :3] = 0.5
    inside = torch.ones(t1nce.shape, dtype=torch.bool)
    inside[..., :2] = False
    t1ce = t1nce * 1.03
    t1ce[:, 5, 5] = 2.0
    levelled = simulated.level(t1ce, t1nce, inside)
    enhancement = t1ce - levelled
    still = inside.clone()
    still[:, 5, 5] = False
    torch.testing.assert_close(enhancement[still], torch.zeros(int(still.sum())))
    assert float(enhancement[0, 5, 5, 5]) == pytest.approx(0.97)
    torch.testing.assert_close(levelled[~inside], t1nce[~inside])
    # Nothing to level, too little white matter.
    torch.testing.assert_close(simulated.level(t1nce, t1nce, inside), t1nce)
    dark = 0.5 * t1nce
    assert simulated.level(1.03 * dark, dark, inside) is dark


def write(path: Path, labels: np.ndarray, affine: np.ndarray | None = None) -> Path:
    affine = np.eye(4) if affine is None else affine
    nib.save(nib.Nifti1Image(labels.astype(np.int16), affine), path)
    return path


def test_heads_are_prepared_once(tmp_path: Path) -> None:
    path = write(tmp_path / "head-01_dseg.nii.gz", label_map())
    (head,) = load_anatomies([path], tmp_path / "cache")
    assert np.array_equal(head.tissue, prepare_anatomy(label_map()).tissue)
    (cached,) = (tmp_path / "cache").iterdir()
    written = cached.stat().st_mtime_ns
    load_anatomies([path], tmp_path / "cache")
    assert cached.stat().st_mtime_ns == written


def test_changed_map_is_prepared_again(tmp_path: Path) -> None:
    path = write(tmp_path / "head-01_dseg.nii.gz", label_map())
    load_anatomies([path], tmp_path / "cache")
    changed = label_map()
    changed[changed == 502] = 24
    (head,) = load_anatomies([write(path, changed)], tmp_path / "cache")
    assert not np.isin(21, head.tissue)


def test_new_preparation_does_not_take_old_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "head-01_dseg.nii.gz", label_map())
    load_anatomies([path], tmp_path / "cache")
    monkeypatch.setattr(simulated, "PREPARATION", simulated.PREPARATION + 1)
    load_anatomies([path], tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_orientation_is_undone(tmp_path: Path) -> None:
    flipped = write(tmp_path / "las_dseg.nii.gz", label_map()[::-1], np.diag([-1.0, 1, 1, 1]))
    (head,) = load_anatomies([flipped], tmp_path / "cache")
    assert np.array_equal(head.tissue, prepare_anatomy(label_map()).tissue)


def test_folder_without_label_maps(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"_dseg\.nii\.gz"):
        find_label_maps(tmp_path)


def test_unknown_labels_name_the_file(tmp_path: Path) -> None:
    labels = label_map()
    labels[0, 0, 0] = 999
    path = write(tmp_path / "odd_dseg.nii.gz", labels)
    with pytest.raises(LabelMapError, match=r"odd_dseg\.nii\.gz.*\[999\]"):
        load_anatomies([path], tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
