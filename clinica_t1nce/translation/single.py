"""One T1ce of any orientation and voxel size, without a CAPS: its T1nce on its own grid.

The network is shown what t1-linear would make of the image: N4, then an affine to MNI space, on
the grid of t1-linear's crop (:mod:`clinica_t1nce.volumes.mni`). Where no affine is found, it is
shown the image as it lies, along axes that run right, anterior, superior as nearly as its own do.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.flags import find_flags, source_flags
from clinica_t1nce.errors import ImageError, naming
from clinica_t1nce.files import atomic, nifti, nifti_copy
from clinica_t1nce.files.forms import read_forms
from clinica_t1nce.synthesis import Flag, transfer
from clinica_t1nce.synthesis.conditioning import condition
from clinica_t1nce.synthesis.enhancement_prior import Place, locate
from clinica_t1nce.translation import classification
from clinica_t1nce.translation.single_files import SingleJob
from clinica_t1nce.volumes import grids, mni

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

VOXELS = (0.3, 6.5)
"""Least and greatest side, in mm, of voxels that are taken."""

FEWEST_SLICES = 5
"""Slices below which an image is a localizer or a slab, not a head."""

FEWEST_VALUES = 64
"""Different values of an image of whole numbers up to which it is a mask or label map."""

PREDICTED_ON = "source, bias-corrected by N4, moved to MNI space"
UNMOVED = PREDICTED_ON.partition(", moved")[0]
NOT_REGISTERED = "not-registered"
"""Code of the flag of an image that no affine was found for."""


class Translation(NamedTuple):
    """A T1nce that was written.

    Attributes
    ----------
    sidecar
        Content of its sidecar.
    t1ce, t1nce
        Volumes on its grid.
    affine
        4 x 4, voxel indices to mm.
    """

    sidecar: dict[str, Any]
    t1ce: np.ndarray
    t1nce: np.ndarray
    affine: np.ndarray


class VolumeSynthesis(NamedTuple):
    """What the network found in a volume.

    Attributes
    ----------
    synthesis
        T1nce and change on the volume's grid, in its units.
    pose
        4 x 4, mm of MNI space to mm of the volume; None: no affine was found.
    crop
        Volume without its bias field, on the grid of t1-linear's crop; None without a pose.
    crop_image
        T1nce on that grid.
    """

    synthesis: "Synthesis"
    pose: np.ndarray | None = None
    crop: np.ndarray | None = None
    crop_image: np.ndarray | None = None

    @property
    def place(self) -> Place | None:
        """Share of the change that lies at vessels, dura and choroid plexus."""
        if self.crop is None or self.crop_image is None:
            return None
        return locate(self.crop - self.crop_image, mni.CROP_AFFINE)


def translate_image(image: nib.Nifti1Image, synthesizer: "Synthesizer") -> nib.Nifti1Image:
    """Make the T1nce of an image in memory.

    Parameters
    ----------
    image
        T1ce: one volume of voxels of 0.3 to 6.5 mm, any orientation, whole head or skull-stripped.
    synthesizer
        Loaded model.

    Returns
    -------
    nibabel.Nifti1Image
        T1nce on the same grid, of the same header. The type is kept if it is one of floats, or of
        whole numbers without a slope; else it is float32.

    Raises
    ------
    ImageError
        If the image cannot be used.

    Examples
    --------
    >>> import nibabel
    >>> from clinica_t1nce.synthesis import Synthesizer
    >>> t1nce = translate_image(nibabel.load("t1ce.nii.gz"), Synthesizer.load())  # doctest: +SKIP
    """
    if not isinstance(image, nib.Nifti1Pair) or image.affine is None:
        raise ImageError(f"{type(image).__name__}: give a NIfTI image with an affine")
    shape = image.shape
    if len(shape) < 3 or any(side != 1 for side in shape[3:]):
        raise ImageError(f"an image of shape {shape}; give one volume")
    stored = np.asanyarray(image.dataobj).reshape(shape[:3])
    if stored.dtype.kind not in "iuf":
        raise ImageError(f"voxels of type {stored.dtype}; give one with plain numbers")
    if stored.dtype.kind == "f":
        stored, _ = nifti.without_nonfinite("image", stored)
    data = stored.astype(np.float32)
    affine = read_forms(image).affine
    check_content(data, affine, stored.dtype.kind)
    found = synthesise_volume(data, affine, synthesizer).synthesis
    header = image.header.copy()
    if stored.dtype.kind in "iu":
        limits = np.iinfo(stored.dtype)
        # In float32, the greatest int32 would be rounded up to one that is none.
        values = np.rint(found.image.astype(np.float64))
        values = np.clip(values, limits.min, limits.max).astype(stored.dtype)
        voxels = np.where(found.change == 0, stored, values)
    else:
        kind = image.get_data_dtype() if image.get_data_dtype().kind == "f" else np.float32
        voxels = np.where(found.change == 0, stored, found.image).astype(kind)
        header.set_data_dtype(kind)
    return type(image)(voxels.reshape(shape), image.affine, header)


def synthesise_volume(
    volume: np.ndarray, affine: np.ndarray, synthesizer: "Synthesizer"
) -> VolumeSynthesis:
    """Make the T1nce of a volume with a bias field.

    The network is given the volume without its bias field, in MNI space; what it changes is
    brought back, given the field again, and taken from the volume as it came.

    Parameters
    ----------
    volume
        T1ce, three axes as stored, finite.
    affine
        Matrix, 4 x 4, voxel indices to mm.
    synthesizer
        Loaded model.

    Returns
    -------
    Found
        Flagged :data:`NOT_REGISTERED` if no affine was found.

    Raises
    ------
    ImageError
        If the volume cannot be used.
    """
    given = condition(volume)
    corrected = mni.correct(given.shown, affine, nifti.CROP_SHAPE, mni.CROP_AFFINE)
    synthesizer, pose, crop = synthesizer.transferring_change(), corrected.pose, corrected.on_crop
    flags, crop_image = given.flags, None
    if pose is None or crop is None:
        problem = f"no affine to MNI space ({corrected.problem})"
        text = f"{problem}: the network was shown the image as it lies"
        flags = (*flags, Flag(NOT_REGISTERED, text))
        found = synthesizer(corrected.volume, affine)
        change = transfer.without_negligible(found.change * corrected.field, given.shown)
    else:
        found = synthesizer(crop, mni.CROP_AFFINE)
        crop_image = found.image
        change = transfer.without_negligible(found.change, crop)
        back = np.linalg.inv(pose)
        change = grids.sample(change, mni.CROP_AFFINE, volume.shape, affine, back) * corrected.field
    image = given.subtract(change)
    found = replace(found, image=image, change=volume - image, flags=flags)
    return VolumeSynthesis(found, pose, crop, crop_image)


def check_content(volume: np.ndarray, affine: np.ndarray, kind: str = "f") -> None:
    """Refuse what is no T1w: labels, CT, a few slices, voxels of another size than those of heads.

    Parameters
    ----------
    volume
        Voxels.
    affine
        Matrix, 4 x 4, voxel indices to mm.
    kind
        NumPy's letter for the type that is stored.

    Raises
    ------
    ImageError
        Naming what it seems to be, and what to give.
    """
    zooms = voxel_sizes(affine)
    if zooms.min() < VOXELS[0] or zooms.max() > VOXELS[1]:
        sides = " x ".join(f"{zoom:.3g}" for zoom in zooms)
        raise ImageError(
            f"voxels of {sides} mm, not of {VOXELS[0]} to {VOXELS[1]} mm; give another series, or "
            "resample it"
        )
    if min(volume.shape) < FEWEST_SLICES:
        sides = " x ".join(map(str, volume.shape))
        raise ImageError(f"{sides} voxels: a localizer or a slab; give a series of the whole head")
    part = volume.ravel()[:: volume.size // 1_000_000 + 1]
    is_whole = kind in "iub" or bool(np.all(part == np.rint(part)))
    if is_whole and len(np.unique(part)) <= FEWEST_VALUES:
        raise ImageError("a mask or label map by its few values; give the T1w itself")
    if _is_ct(part):
        raise ImageError("a CT by its values (Hounsfield units); give a T1w MRI")


def _is_ct(values: np.ndarray) -> bool:
    """Tell Hounsfield units: air at -1000, and most of what is not air within 150 of water."""
    air, body = np.mean(np.abs(values + 1000) < 50), values[values > -500]
    return bool(air > 0.05 and body.size and np.mean(np.abs(body) < 150) > 0.6)


def classify_file(source: Path, synthesizer: "Synthesizer") -> float:
    """Say how likely it is that gadolinium was given, by the image of a file alone.

    Raises
    ------
    ImageError
        Naming the source, if it cannot be used.
    WeightsError
        If the weights have no detector.
    """
    found = _read_and_synthesise(source, synthesizer)[1].synthesis
    classification.require_detector(synthesizer.card, found.gadolinium)
    return found.gadolinium or 0.0


def _read_and_synthesise(
    path: Path, synthesizer: "Synthesizer"
) -> tuple[nifti.Image, VolumeSynthesis]:
    source = nifti.load(path)
    with naming(path):
        check_content(source.data, source.affine, source.header.get_data_dtype().kind)
        found = synthesise_volume(source.data, source.affine, synthesizer)
    return source, found


def translate_file(
    files: SingleJob, synthesizer: "Synthesizer", raw: Path | None = None
) -> Translation:
    """Write the T1nce of one file, with its sidecar: first the sidecar, last the image.

    On the source's grid, header, type and slope are those of the source to the bit, and so are the
    voxels where nothing is removed.

    Parameters
    ----------
    files
        Paths, from :func:`clinica_t1nce.translation.single_files.plan_files`.
    synthesizer
        Loaded model.
    raw
        Root of the BIDS that the source belongs to: the sidecar calls it ``raw``.

    Returns
    -------
    Translation

    Raises
    ------
    ImageError
        Naming the source, if it cannot be used.
    OutputError
        If something cannot be written; nothing half-written is left.
    """
    start = time.perf_counter()
    source, found = _read_and_synthesise(files.source, synthesizer)
    synthesis = found.synthesis
    t1ce, t1nce, affine = source.data, synthesis.image, source.affine
    if files.space != names.NATIVE:
        if found.crop is None or found.crop_image is None:
            reasons = [flag.text for flag in synthesis.flags if flag.code == NOT_REGISTERED]
            raise ImageError(f"{files.source}: {reasons[0].partition(':')[0]}")
        t1ce, t1nce, affine = found.crop, found.crop_image, mni.CROP_AFFINE
    predicted_on = UNMOVED if found.pose is None else PREDICTED_ON
    notes = {files.source: source.note}
    content = sidecar.describe_image(
        files.image,
        sidecar.SourceImage(files.source, raw, "raw", None, source.n_nonfinite, notes),
        sidecar.Prediction.of(synthesis, synthesizer),
        change=sidecar.measure_change(condition(t1ce).shown, t1ce - t1nce, found.place),
        grid=sidecar.Grid(files.space, predicted_on=predicted_on),
        flags=find_flags(None, synthesis) + source_flags(source),
        seconds=time.perf_counter() - start,
    )
    content["SkullStripped"] = mni.is_stripped(condition(source.data).shown, source.affine)
    if files.space != names.NATIVE:
        content |= {"SpatialReference": mni.REFERENCE, "Resolution": "1 mm isotropic"}
    like = source if files.space == names.NATIVE else nifti.on_grid(source, t1ce, affine)
    with atomic.replacing(files.outputs):
        sidecar.write(files.image, content)
        if files.enhancement is not None:
            where = names.uri(files.image, None, files.image.parent)
            sidecar.write(files.enhancement, sidecar.describe_enhancement(content, where))
            nifti.save(files.enhancement, t1ce - t1nce, like)
        if files.space == names.NATIVE:
            nifti_copy.save_changed(files.image, t1nce, source)
        else:
            nifti.save(files.image, t1nce, like)
    return Translation(content, t1ce, t1nce, affine)
