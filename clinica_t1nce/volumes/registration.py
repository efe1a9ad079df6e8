"""Rigid and affine registration of two volumes, by ANTs."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clinica_t1nce.errors import ImageError, one_line
from clinica_t1nce.volumes.itk import from_ants, to_ants

POINTS = 300_000
"""Voxels that are compared at the finest scale. On a crop of t1-linear, twice as many and twice
the iterations moved the result by less than 0.02 mm."""

SCALES = ((200, 4, 2), (100, 2, 1), (20, 1, 0))
"""Iterations, shrink factor and smoothing, in voxels, of each scale, the coarsest first."""


def register(
    moving: np.ndarray,
    moving_affine: np.ndarray,
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    kind: str = "rigid",
    points: int = POINTS,
    seed: int = 1,
) -> np.ndarray:
    """Find the movement between two volumes, from where their centres of mass meet.

    The metric is the global correlation, because ANTs' mutual information sums in the order in
    which threads end: correlation gives the same bytes again. Affines, 4 x 4, take voxel indices to
    mm, RAS+, in any orientation without shear.

    Parameters
    ----------
    mask
        Boolean, on the fixed grid: where the images are compared; None: everywhere.
    kind
        ``"rigid"`` (rotation and translation) or ``"affine"`` (scales and shears as well).
    points, seed
        Number of voxels of the fixed volume that are compared, and seed of their choice.

    Returns
    -------
    numpy.ndarray
        4 x 4, RAS+ mm: takes a point of the *fixed* image to the same anatomy in the *moving*
        one (the direction in which images are resampled).

    Raises
    ------
    ImageError
        If the registration fails.
    """
    import ants

    files: list[str] = []
    iterations, factors, sigmas = zip(*SCALES, strict=True)
    try:
        with _seeded(seed):
            found = ants.registration(
                to_ants(fixed, fixed_affine),
                to_ants(moving, moving_affine),
                kind.capitalize(),
                mask=None if mask is None else to_ants(mask, fixed_affine),
                aff_metric="GC",
                aff_random_sampling_rate=min(1.0, points / fixed.size),
                aff_iterations=iterations,
                aff_shrink_factors=factors,
                aff_smoothing_sigmas=sigmas,
            )
        files = list({*found["fwdtransforms"], *found["invtransforms"]})
        return from_ants(ants.read_transform(found["fwdtransforms"][0]))
    except RuntimeError as error:
        raise ImageError(
            f"ANTs could not align the images ({one_line(error)}); "
            "check that they show the same head"
        ) from error
    finally:
        for file in files:
            Path(file).unlink(missing_ok=True)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # ANTsPy's own switch (ants.config) would also reseed NumPy for the whole process.
    name = "ANTS_RANDOM_SEED"
    before = os.environ.get(name)
    os.environ[name] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
