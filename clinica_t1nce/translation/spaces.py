"""One T1ce of a CAPS on each grid that is asked for: what is read, and what is made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clinica_t1nce.caps import names
from clinica_t1nce.errors import ImageError, SelectionError, T1nceError, TransformError
from clinica_t1nce.files import nifti, nifti_copy
from clinica_t1nce.synthesis import transfer, vessels
from clinica_t1nce.synthesis.conditioning import Conditioned, condition
from clinica_t1nce.volumes import grids, itk

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer


@dataclass(frozen=True, eq=False)
class Raw:
    """A raw image, and how it lies under a crop.

    Attributes
    ----------
    image
        The raw image.
    transform
        4 x 4, mm of MNI space to mm of the raw image's.
    on_crop
        The raw image brought to the crop's grid by the affine alone, at the crop's brightness,
        without background and outliers.
    gain
        Raw units for one of the crop's, on the crop's grid: what the bias correction took away.
    agreement
        From :func:`clinica_t1nce.synthesis.transfer.measure_agreement`, of `on_crop` and the crop.
    conditioned
        The raw image with its background and outliers told apart.
    crop_shown
        The crop without its background and outliers.
    """

    image: nifti.Image
    transform: np.ndarray
    on_crop: np.ndarray
    gain: np.ndarray
    agreement: float
    conditioned: Conditioned
    crop_shown: np.ndarray

    @property
    def follows_affine(self) -> bool:
        """Whether the crop is the raw image moved by the affine, and by nothing else.

        Not so in what Clinica 0.12 makes with ``--use-antspy``: there t1-linear warps the image
        non-linearly and keeps the affine alone.
        """
        return self.agreement >= transfer.SAME


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is read for one T1ce; None of what no grid that is asked for needs.

    Attributes
    ----------
    crop, full, raw
        T1-linear's crop, its whole image, and the raw image.
    enlargement
        From :func:`measure_enlargement`.
    """

    crop: nifti.Image
    full: nifti.Image | None = None
    raw: Raw | None = None
    enlargement: float | None = None


@dataclass(frozen=True, eq=False)
class Product:
    """A synthetic image on one grid.

    Attributes
    ----------
    space
        A key of :data:`clinica_t1nce.caps.names.SPACES`.
    data
        The T1nce.
    like
        The T1ce that it was made from, on the same grid.
    synthesis
        Of the network, on the crop's grid.
    crop
        Whose grid that is.
    transform
        4 x 4, mm of MNI space to mm of this grid's space; None: it is MNI space.
    """

    space: str
    data: np.ndarray
    like: nifti.Image
    synthesis: "Synthesis"
    crop: nifti.Image
    transform: np.ndarray | None = None

    @cached_property
    def change(self) -> np.ndarray:
        """T1ce - T1nce, in the T1ce's units."""
        return self.like.data - self.data

    @property
    def vessels(self) -> np.ndarray:
        """Mask of vessels: found where the network worked, brought to this grid."""
        mask = vessels.vessel_mask(self.synthesis.change, self._shown, self.crop.affine)
        back = None if self.transform is None else np.linalg.inv(self.transform)
        like = self.like
        share = grids.sample(mask, self.crop.affine, like.data.shape, like.affine, back)
        return share >= 0.5

    @property
    def vessel_threshold(self) -> float:
        """From :func:`clinica_t1nce.synthesis.vessels.threshold`, of what the network was given."""
        return vessels.threshold(self._shown)

    @cached_property
    def shown(self) -> np.ndarray:
        """T1ce without its background and outliers."""
        return condition(self.like.data).shown

    @cached_property
    def _shown(self) -> np.ndarray:
        return condition(self.synthesis.image + self.synthesis.change).shown

    def save(self, path: Path) -> None:
        """Write the image: a raw image's header stays to the bit."""
        if self.space == names.NATIVE:
            nifti_copy.save_changed(path, self.data, self.like)
        else:
            nifti.save(path, self.data, self.like)


def read(source: Path, spaces: tuple[str, ...], bids: Path | None) -> Inputs:
    """Read a crop and what else its products need.

    Parameters
    ----------
    source
        The crop.
    spaces
        Keys of :data:`clinica_t1nce.caps.names.SPACES`.
    bids
        Root of the BIDS that t1-linear read; needed for the native space.

    Raises
    ------
    ImageError, TransformError, SelectionError
        Naming what is missing, cannot be used, or belongs to another image.
    """
    crop = nifti.load(source, shape=nifti.CROP_SHAPE, zooms=nifti.CROP_ZOOMS)
    full = _read_full(crop) if names.MNI in spaces else None
    raw = None
    if names.NATIVE in spaces:
        if bids is None:
            raise SelectionError(
                f"{source}: the native space needs the raw image; name its BIDS with "
                "--bids-directory"
            )
        raw = read_raw(crop, names.raw_path(source, bids), names.affine_path(source))
    return Inputs(crop, full, raw, measure_enlargement(names.affine_path(source)))


def measure_enlargement(affine: Path) -> float | None:
    """Say how many times larger, in volume, t1-linear made an image; None without its affine."""
    try:
        transform = itk.read_itk_affine(affine)
    except TransformError:
        return None
    return float(1 / abs(np.linalg.det(transform[:3, :3])))


def read_raw(crop: nifti.Image, raw: Path, affine: Path) -> Raw:
    """Read a raw image and the affine of its crop, and see whether they belong together.

    Parameters
    ----------
    crop
        A crop of t1-linear.
    raw
        The image that t1-linear took.
    affine
        The ``*_affine.mat`` that t1-linear wrote.

    Raises
    ------
    ImageError, TransformError
        If a file is missing or cannot be used, or image and affine are not the crop's.
    """
    if not raw.is_file():
        raise ImageError(
            f"{raw}: no such file, and it is the raw image of {crop.path.name}; give the BIDS that "
            "t1-linear read with --bids-directory"
        )
    transform = itk.read_itk_affine(affine)
    image = nifti.load(raw)
    conditioned, crop_shown = condition(image.data), condition(crop.data).shown
    shape = crop.data.shape
    moved = grids.sample(conditioned.shown, image.affine, shape, crop.affine, transform)
    gain = transfer.measure_gain(moved, crop_shown)
    on_crop = moved / gain
    agreement = transfer.measure_agreement(on_crop, crop_shown)
    transfer.require_related(
        on_crop, crop_shown, f"{affine}: does not bring {raw} to {crop.path.name}: of another image"
    )
    return Raw(image, transform, on_crop, gain, agreement, conditioned, crop_shown)


def products(
    inputs: Inputs, spaces: tuple[str, ...], synthesizer: "Synthesizer"
) -> Iterator[Product]:
    """Make the T1nce on each grid; the network runs as often as it must.

    On the raw image's grid, the change that was found on the crop is carried over, if the crop
    lies on the raw image. If it does not, or the model's image is blurred by its grid, the
    network is given the raw image itself, brought to the crop's grid by the affine.

    Parameters
    ----------
    inputs
        From :func:`read`.
    spaces
        Keys of :data:`clinica_t1nce.caps.names.SPACES`.
    synthesizer
        The model.
    """
    crop, synthesis = inputs.crop, None
    if {names.MNI_CROP, names.MNI} & set(spaces):
        synthesis = synthesise(crop, crop.data, synthesizer)
        if names.MNI_CROP in spaces:
            yield Product(names.MNI_CROP, synthesis.image, crop, synthesis, crop)
        if inputs.full is not None:
            full = inputs.full
            data = transfer.carry(synthesis.change, crop.affine, full.data, full.affine)
            yield Product(names.MNI, data, full, synthesis, crop)
    if inputs.raw is not None:
        raw = inputs.raw
        if not (raw.follows_affine and synthesizer.carries_change and synthesis is not None):
            source = crop.data if raw.follows_affine else raw.on_crop
            synthesis = synthesise(crop, source, synthesizer.carrying_change())
        data = carry_to_raw(synthesis.change, crop, raw)
        yield Product(names.NATIVE, data, raw.image, synthesis, crop, raw.transform)


def carry_to_raw(change: np.ndarray, crop: nifti.Image, raw: Raw) -> np.ndarray:
    """Take a change that was found on a crop's grid from the raw image, but for what is none."""
    return transfer.carry(
        transfer.without_negligible(change, raw.crop_shown),
        crop.affine,
        raw.conditioned,
        raw.image.affine,
        raw.transform,
        raw.gain,
    )


def synthesise(crop: nifti.Image, volume: np.ndarray, synthesizer: "Synthesizer") -> "Synthesis":
    """Run the network on a volume of a crop's grid; errors name the crop."""
    try:
        return synthesizer(volume, crop.affine)
    except T1nceError as error:
        # It knows arrays only; the reader of the message needs the file.
        raise type(error)(f"{crop.path}: {error}") from error


def _read_full(crop: nifti.Image) -> nifti.Image:
    path = names.full_path(crop.path)
    if not path.is_file():
        raise ImageError(
            f"{path}: no such file, and the space mni is its grid; run `clinica run t1-linear` "
            "again for this visit, or take --output-space mni-crop"
        )
    full = nifti.load(path)
    inside = condition(grids.sample(full.data, full.affine, crop.data.shape, crop.affine)).shown
    if transfer.measure_agreement(inside, condition(crop.data).shown) < transfer.SAME:
        raise ImageError(
            f"{crop.path}: was not cut from {path.name}; run `clinica run t1-linear` again for "
            "this visit"
        )
    return full
