"""What every network asks of the grid that it is shown."""

import torch

from clinica_t1nce.errors import ImageError


def check_sides(x: torch.Tensor, multiple: int, smallest: int = 1) -> None:
    """Refuse a volume that a network could not halve and double back.

    Parameters
    ----------
    x
        N x C x D x H x W.
    multiple
        What each side must be a multiple of.
    smallest
        Voxels that each side must have at least.

    Raises
    ------
    ImageError
        If a side does not fit; the message gives the sides and what is needed.
    """
    sides = x.shape[2:]
    if len(sides) != 3 or any(side % multiple or side < smallest for side in sides):
        found = " x ".join(map(str, sides))
        least = f" of at least {smallest} voxels" if smallest > multiple else ""
        raise ImageError(
            f"grid {found}: this network takes three sides{least}, each a multiple of {multiple}; "
            "pad or resample to such a grid"
        )
