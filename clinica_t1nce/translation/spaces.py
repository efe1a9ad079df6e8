"""One T1ce of a CAPS on each grid that is asked for: what is read, and what is made of it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.flags import source_flags
from clinica_t1nce.errors import ImageError, TransformError, naming
from clinica_t1nce.files import nifti, nifti_copy
from clinica_t1nce.synthesis import Flag, enhancement_prior, transfer, vessels
from clinica_t1nce.synthesis.conditioning import Conditioned, condition
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.volumes import grids, itk, mni

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

LARGEST = 2.5
"""Enlargement by t1-linear from which an image is flagged: adults' heads need 1 to 2."""


@dataclass(frozen=True, eq=False)
class Raw:
    """A raw image, and how it lies under a crop.

    Attributes
    ----------
    image
        The raw image.
    transform
        Matrix, 4 x 4, mm of MNI space to mm of the raw image's.
    on_crop
        The raw image brought to the crop's grid by the affine alone, at the crop's brightness,
        without background and outliers.
    gain
        Raw units for one of the crop's, on the crop's grid: what the bias correction took away.
    agreement
        Correlation of `on_crop` and the crop, from
        :func:`clinica_t1nce.synthesis.transfer.measure_correlation`.
    conditioned
        Raw image with its background and outliers told apart.
    crop_shown
        Crop without its background and outliers.
    is_registered
        Whether `transform`, `on_crop` and `gain` are of a registration of our own, not of the
        crop.
    """

    image: nifti.Image
    transform: np.ndarray
    on_crop: np.ndarray
    gain: np.ndarray
    agreement: float
    conditioned: Conditioned
    crop_shown: np.ndarray
    is_registered: bool = False

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
        Images: t1-linear's crop, its whole image, and the raw image.
    enlargement
        Times that t1-linear made the image larger, in volume; None without its affine.
    wanted
        Grids that are asked for.
    """

    crop: nifti.Image
    full: nifti.Image | None = None
    raw: Raw | None = None
    enlargement: float | None = None
    wanted: Sequence[names.Space] = ()


@dataclass(frozen=True, eq=False)
class Product:
    """A synthetic image on one grid.

    Attributes
    ----------
    space
        Name of the grid.
    data
        Voxels of the T1nce.
    like
        T1ce that it was made from, on the same grid.
    synthesis
        Result of the network, on the crop's grid.
    inputs
        Images that were read for it.
    """

    space: names.Space
    data: np.ndarray
    like: nifti.Image
    synthesis: "Synthesis"
    inputs: Inputs

    @cached_property
    def change(self) -> np.ndarray:
        """T1ce - T1nce, in the T1ce's units."""
        return self.like.data - self.data

    @property
    def place(self) -> enhancement_prior.Place | None:
        """Share of the change that lies at vessels, dura and choroid plexus."""
        return enhancement_prior.locate(self.change, self.like.affine, self._to_mni)

    @property
    def vessels(self) -> np.ndarray:
        """Mask of vessels: found where the network worked, brought to this grid."""
        crop, like = self.inputs.crop.affine, self.like
        mask = vessels.vessel_mask(self.synthesis.change, self._given, crop)
        return grids.sample(mask, crop, like.data.shape, like.affine, self._to_mni) >= 0.5

    @property
    def vessel_threshold(self) -> float:
        """From :func:`clinica_t1nce.synthesis.vessels.threshold`, of what the network was given."""
        return vessels.threshold(self._given)

    @cached_property
    def shown(self) -> np.ndarray:
        """T1ce without its background and outliers."""
        if self._raw is not None:
            return self._raw.conditioned.shown
        if self.space == names.MNI_CROP and self.synthesis.shown is not None:
            return self.synthesis.shown
        return condition(self.like.data).shown

    @property
    def flags(self) -> list[Flag]:
        """Findings about the files that it was made from."""
        found = source_flags(self.like)
        enlargement, raw = self.inputs.enlargement, self._raw
        if enlargement is not None and enlargement > LARGEST:
            found.append(
                Flag(
                    "enlarged",
                    f"t1-linear made the image {enlargement:.1f} times larger, which no adult's "
                    "head needs: a skull-stripped brain on the template of a whole head?",
                )
            )
        if raw is not None and not raw.follows_affine:
            found.append(
                Flag(
                    "warped",
                    "the crop is not the raw image moved by t1-linear's affine alone (they agree "
                    f"to {raw.agreement:.2f}): the change was predicted on the raw image",
                )
            )
        return found

    def describe_grid(self, job: Job) -> sidecar.Grid:
        """Describe its grid for the sidecar."""
        sources, raw = job.sources(self.space)[1:], self._raw
        if raw is None:
            return sidecar.Grid(self.space, sources)
        on = "crop" if raw.follows_affine else "raw image, moved by the affine"
        if raw.is_registered:
            on = "raw image, bias-corrected by N4, moved to MNI space"
        return sidecar.Grid(self.space, sources, raw.agreement, on)

    @cached_property
    def _given(self) -> np.ndarray:
        return condition(self.synthesis.image + self.synthesis.change).shown

    @property
    def _raw(self) -> Raw | None:
        return self.inputs.raw if self.space == names.NATIVE else None

    @property
    def _to_mni(self) -> np.ndarray | None:
        """Matrix, 4 x 4, mm of this grid's space to mm of MNI space; None: it is MNI space."""
        return None if self._raw is None else np.linalg.inv(self._raw.transform)

    def save(self, path: Path) -> None:
        """Write the image: a raw image's header stays to the bit."""
        if self.space == names.NATIVE:
            nifti_copy.save_changed(path, self.data, self.like)
        else:
            nifti.save(path, self.data, self.like)


def read_crop(source: Path) -> nifti.Image:
    """Read a crop of t1-linear.

    Raises
    ------
    ImageError
        If it is none.
    """
    return nifti.load(source, shape=nifti.CROP_SHAPE, zooms=nifti.CROP_ZOOMS)


def read_inputs(crop: nifti.Image, wanted: Sequence[names.Space], job: Job) -> Inputs:
    """Read what the products of a crop need beside it.

    Parameters
    ----------
    crop
        Image from :func:`read_crop`.
    wanted
        Grids of the products.
    job
        Job that says where the other images are.

    Raises
    ------
    ImageError, TransformError
        Naming what is missing, cannot be used, or belongs to another image.
    """
    full = _read_full(crop, names.full_path(job.source)) if names.MNI in wanted else None
    raw = transform = None
    if names.NATIVE in wanted:
        assert job.raw is not None
        raw = read_raw(crop, job.raw, names.affine_path(job.source))
        transform = raw.transform
    elif wanted:
        with suppress(TransformError):
            transform = itk.read_itk_affine(names.affine_path(job.source))
    enlargement = None if transform is None else float(1 / abs(np.linalg.det(transform[:3, :3])))
    if raw is not None and not raw.follows_affine:
        raw = _register(raw, crop)
    return Inputs(crop, full, raw, enlargement, wanted)


def read_raw(crop: nifti.Image, raw: Path, affine: Path) -> Raw:
    """Read a raw image, and see whether it and the affine of a crop belong together.

    Parameters
    ----------
    crop
        Image from :func:`read_crop`.
    raw
        Path of the image that t1-linear took.
    affine
        Path of the ``*_affine.mat`` that t1-linear wrote.

    Raises
    ------
    ImageError, TransformError
        If a file is missing or cannot be used, or image and affine are not the crop's.
    """
    try:
        there = raw.is_file()
    except OSError as error:
        raise ImageError(
            f"{raw}: cannot be read ({error.strerror}); check the permissions of its folder"
        ) from error
    if not there:
        raise ImageError(
            f"{raw}: no such file, and it is the raw image of {crop.path.name}; give the BIDS that "
            "t1-linear read with --bids-directory"
        )
    transform = itk.read_itk_affine(affine)
    image = nifti.load(raw)
    shown = condition(crop.data).shown
    found = _lay_under(crop, shown, image, transform)
    if not found.follows_affine and image.forms is not None and image.forms.other is not None:
        # The crop may be older than what ITK goes by today: it says itself what it was made from.
        other = _lay_under(crop, shown, replace(image, affine=image.forms.other), transform)
        found = max(found, other, key=lambda laid: laid.agreement)
    transfer.require_related(
        found.on_crop,
        shown,
        f"{affine}: does not bring {raw} to {crop.path.name}: of another image",
    )
    return found


def _lay_under(
    crop: nifti.Image, crop_shown: np.ndarray, image: nifti.Image, transform: np.ndarray
) -> Raw:
    conditioned, shape = condition(image.data), crop.data.shape
    moved = grids.sample(conditioned.shown, image.affine, shape, crop.affine, transform)
    gain = transfer.measure_gain(moved, crop_shown)
    on_crop = moved / gain
    agreement = transfer.measure_correlation(on_crop, crop_shown)
    return Raw(image, transform, on_crop, gain, agreement, conditioned, crop_shown)


def _register(raw: Raw, crop: nifti.Image) -> Raw:
    """Show the network the raw image as :mod:`clinica_t1nce.translation.single` does.

    Where t1-linear warped an image, its affine is but the first step of the warp, and may be far
    from where the head lies.
    """
    affine, shape = raw.image.affine, crop.data.shape
    corrected = mni.correct(raw.conditioned.shown, affine, shape, crop.affine)
    if corrected.pose is None or corrected.on_crop is None:
        return raw
    gain = grids.sample(corrected.field, affine, shape, crop.affine, corrected.pose)
    return replace(
        raw,
        transform=corrected.pose,
        on_crop=corrected.on_crop,
        gain=np.maximum(gain, corrected.field.min()),  # Beyond the raw image there is none.
        crop_shown=corrected.on_crop,
        is_registered=True,
    )


def make_products(
    inputs: Inputs, synthesizer: "Synthesizer", synthesis: "Synthesis | None" = None
) -> Iterator[Product]:
    """Make the T1nce on each grid; the network runs as often as it must.

    On the raw image's grid, the change that was found on the crop is carried over, if the crop
    lies on the raw image. If the model's image is blurred by its grid, the network is run on the
    crop again. If the crop does not lie on the raw image, the network is given that itself, brought
    to MNI space by an affine of our own or, where none is found, by t1-linear's.

    Parameters
    ----------
    inputs
        Images from :func:`read_inputs`.
    synthesizer
        Loaded model.
    synthesis
        Result of the network for the crop, if there is one already.
    """
    crop, full, raw = inputs.crop, inputs.full, inputs.raw
    if {names.MNI_CROP, names.MNI} & set(inputs.wanted):
        if synthesis is None:
            synthesis = synthesise(crop, crop.data, synthesizer)
        if names.MNI_CROP in inputs.wanted:
            yield Product(names.MNI_CROP, synthesis.image, crop, synthesis, inputs)
        if full is not None:
            data = transfer.transfer(synthesis.change, crop.affine, full.data, full.affine)
            yield Product(names.MNI, data, full, synthesis, inputs)
    if raw is not None:
        if not (raw.follows_affine and synthesizer.transfers_change and synthesis is not None):
            source = crop.data if raw.follows_affine else raw.on_crop
            synthesis = synthesise(crop, source, synthesizer.transferring_change())
        data = carry_to_raw(synthesis.change, crop, raw)
        yield Product(names.NATIVE, data, raw.image, synthesis, inputs)


def carry_to_raw(change: np.ndarray, crop: nifti.Image, raw: Raw) -> np.ndarray:
    """Take a change that was found on a crop's grid from the raw image, but for what is none."""
    return transfer.transfer(
        transfer.without_negligible(change, raw.crop_shown),
        crop.affine,
        raw.conditioned,
        raw.image.affine,
        raw.transform,
        raw.gain,
    )


def synthesise(crop: nifti.Image, volume: np.ndarray, synthesizer: "Synthesizer") -> "Synthesis":
    """Run the network on a volume of a crop's grid; errors name the crop."""
    with naming(crop.path):
        synthesis = synthesizer(volume, crop.affine)
    return synthesis


def _read_full(crop: nifti.Image, path: Path) -> nifti.Image:
    if not path.is_file():
        raise ImageError(
            f"{path}: no such file, and the space mni is its grid; run `clinica run t1-linear` "
            "again for this visit, or take --output-space mni-crop"
        )
    full = nifti.load(path)
    inside = condition(grids.sample(full.data, full.affine, crop.data.shape, crop.affine)).shown
    if transfer.measure_correlation(inside, condition(crop.data).shown) < transfer.SAME:
        raise ImageError(
            f"{crop.path}: was not cut from {path.name}; run `clinica run t1-linear` again for "
            "this visit"
        )
    return full
