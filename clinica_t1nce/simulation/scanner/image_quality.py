"""Ranges of the quality of images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Ranges of what a scanner does to an image, and fractions of images that show it.

    Attributes
    ----------
    blur
        Standard deviation of the point spread in voxels, drawn for each axis.
    noise
        Standard deviation of the noise, white matter = 1.
    bias
        Standard deviation of the coil's log sensitivity.
    thick, motion, ghosts, wrap
        Fractions of images with thick slices, motion, ghosts and wrap-around.
    thickness
        Thickness of thick slices in mm.
    movement
        Largest rotation in degrees, and translation in mm, between two parts of an acquisition.
    contrast
        Factor on all differences between tissues.
    """

    blur: tuple[float, float] = (0.45, 1.0)
    noise: tuple[float, float] = (0.005, 0.05)
    bias: tuple[float, float] = (0.0, 0.2)
    thick: float = 0.25
    thickness: tuple[float, float] = (1.2, 6.0)
    motion: float = 0.06
    movement: float = 2.5
    ghosts: float = 0.06
    wrap: float = 0.03
    contrast: tuple[float, float] = (1.0, 1.0)


VARIED = Quality()
"""As images of a hospital come: most are good, some are not. What weights are trained on."""

LOW = Quality(
    blur=(0.6, 1.6),
    noise=(0.04, 0.14),
    bias=(0.1, 0.3),
    thick=0.5,
    thickness=(2.0, 6.0),
    motion=0.7,
    movement=5.0,
    ghosts=0.4,
    wrap=0.1,
    contrast=(0.45, 0.85),
)
"""Bad contrast, motion and noise: the stratum that Bottani et al. (2024) call Test_low."""
