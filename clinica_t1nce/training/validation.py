"""How near synthetic images come to real ones, while a network is trained."""

from collections.abc import Mapping

import numpy as np
import torch

from clinica_t1nce.training.data.fitted_pairs import ENHANCING
from clinica_t1nce.training.data.numbered import Batch

TISSUES = ("csf", "gm", "wm")


def measure(image: torch.Tensor, batch: Batch) -> Mapping[str, torch.Tensor]:
    """Compare a synthetic image, 1 x 1 x D x H x W, scaled, with the fitted T1nce of a whole pair.

    ``total`` is the mean absolute error over that of the T1ce; ``inside`` and ``outside`` are the
    same in the enhancing voxels and in the others; ``mean_csf``, ``mean_gm`` and ``mean_wm`` the
    mean of ``image - T1nce`` in a tissue, white matter = 1; ``volume_csf``, ``volume_gm`` and
    ``volume_wm`` by how much more voxels have the intensities of a tissue than in the T1nce, as a
    fraction. Tissues are parted by two thresholds of the T1nce (Otsu).
    """
    from skimage.filters import threshold_multiotsu

    mask = batch["mask"][0, 0].cpu().numpy()
    x, y, s = (
        volume[0, 0].float().cpu().numpy()[mask]
        for volume in (batch["t1ce"], batch["t1nce"], image)
    )
    enhancing = x - y > ENHANCING * float(batch["deviation"])
    before, after = np.abs(x - y), np.abs(s - y)
    found = {
        "total": _ratio(after, before),
        "inside": _ratio(after[enhancing], before[enhancing]),
        "outside": _ratio(after[~enhancing], before[~enhancing]),
    }
    # A few voxels far above would leave no bins for tissue.
    thresholds = threshold_multiotsu(np.minimum(y, np.percentile(y, 99)), classes=3)
    tissue, made = np.digitize(y, thresholds), np.digitize(s, thresholds)
    for number, name in enumerate(TISSUES):
        own = tissue == number
        found[f"mean_{name}"] = _mean((s - y)[own])
        found[f"volume_{name}"] = float((made == number).sum()) / max(int(own.sum()), 1) - 1
    return {name: torch.tensor(value) for name, value in found.items()}


def _ratio(after: np.ndarray, before: np.ndarray) -> float:
    whole = float(before.sum(dtype=np.float64))
    return float(after.sum(dtype=np.float64)) / whole if whole else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")
