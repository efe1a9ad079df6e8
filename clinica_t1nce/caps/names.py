"""Names of files and folders in a CAPS."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from clinica_t1nce.bids.entities import split_extension, without_contrast

CROP_ENDING = "_space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"
"""How the names of t1-linear's crops end."""

AFFINE_ENDING = "_space-MNI152NLin2009cSym_res-1x1x1_affine.mat"
"""How the names of t1-linear's affines end."""

SYNTHETIC_ENDING = "_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w.nii.gz"
"""How ours end. The ``desc`` between ``space`` and ``res`` keeps them out of Clinica's patterns
for the images of t1-linear."""

Space = Literal["mni-crop", "mni", "native"]
"""Grids of our images: that of t1-linear's crop, of t1-linear's whole image, of the raw image."""

MNI_CROP, MNI, NATIVE = get_args(Space)

SPACES: dict[Space, str] = {
    MNI_CROP: SYNTHETIC_ENDING,
    MNI: "_space-MNI152NLin2009cSym_desc-SynthNceFull_res-1x1x1_T1w.nii.gz",
    NATIVE: "_space-orig_desc-SynthNce_T1w.nii.gz",
}
"""How the names of our images end on each grid."""

FOLDER = "t1_synth_nce"

NO_LINKS: Mapping[str, Path] = MappingProxyType({})


def is_crop(name: str) -> bool:
    """Say whether a file name is that of a crop of t1-linear."""
    return name.startswith("sub-") and name.endswith(CROP_ENDING)


def is_synthetic(name: str) -> bool:
    """Say whether a file name is that of one of our images, on any grid, and no map beside one."""
    return "_desc-SynthNce" in name and name.endswith("_T1w.nii.gz")


def synthetic_name(crop_name: str) -> str:
    """Name the T1nce that is made from a crop: its entities without ``ce-``, and our ending.

    Examples
    --------
    >>> synthetic_name(
    ...     "sub-01_ses-M000_ce-gd_run-02_space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"
    ... )
    'sub-01_ses-M000_run-02_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w.nii.gz'
    """
    if not is_crop(crop_name):
        raise ValueError(f"{crop_name}: not the name of a crop of t1-linear")
    return without_contrast(crop_name.removesuffix(CROP_ENDING)) + SYNTHETIC_ENDING


def derived_name(name: str) -> str:
    """Name the T1nce that is made from any image.

    Examples
    --------
    >>> derived_name("sub-01_ce-gd_T1w.nii.gz")
    'sub-01_ce-gd_desc-SynthNce_T1w.nii.gz'
    """
    if is_crop(name):
        return synthetic_name(name)
    stem, extension = split_extension(name)
    entities, _, suffix = stem.rpartition("_")
    stem = f"{entities}_desc-SynthNce_{suffix}" if "-" in entities else f"{stem}_desc-SynthNce"
    return f"{stem}{extension}"


def output_path(crop: Path, model: str) -> Path:
    """Say where the T1nce of a crop belongs: beside ``t1_linear``, one folder a model."""
    return crop.parents[1].joinpath(FOLDER, f"model-{model}", synthetic_name(crop.name))


def in_space(output: Path, space: Space) -> Path:
    """Name the image on another grid than the crop's.

    Parameters
    ----------
    output
        The T1nce on the crop's grid, as :func:`output_path` or a stranger names it.
    space
        A key of :data:`SPACES`.

    Examples
    --------
    >>> in_space(Path("x.nii.gz"), "native").name
    'x_native.nii.gz'
    """
    if space == MNI_CROP:
        return output
    if output.name.endswith(SYNTHETIC_ENDING):
        return output.with_name(output.name.removesuffix(SYNTHETIC_ENDING) + SPACES[space])
    stem, extension = split_extension(output.name)
    return output.with_name(f"{stem}_{space}{extension}")


def enhancement_path(image: Path) -> Path:
    """Name the map of what was removed, beside a synthetic image on any grid."""
    return _companion(image, "Enhancement", "T1w")


def vessels_path(image: Path) -> Path:
    """Name the mask of vessels, beside a synthetic image on any grid."""
    return _companion(image, "Vessels", "mask")


def _companion(image: Path, what: str, suffix: str) -> Path:
    stem, extension = split_extension(image.name)
    if "_desc-SynthNce" in stem and stem.endswith("_T1w"):
        stem = stem.replace("_desc-SynthNce", f"_desc-{what}").removesuffix("T1w") + suffix
    elif stem.endswith("_desc-synthnce_T1w"):
        stem = stem.removesuffix("synthnce_T1w") + f"{what.lower()}_{suffix}"
    else:
        stem = f"{stem}_{what.lower()}"
    return image.with_name(f"{stem}{extension}")


def gadolinium_path(crop: Path) -> Path:
    """Say where the JSON belongs that says whether a crop shows gadolinium."""
    stem = crop.name.removesuffix(CROP_ENDING)
    name = f"{stem}_space-MNI152NLin2009cSym_desc-Gadolinium_res-1x1x1_T1w.json"
    return crop.parent.parent / FOLDER / name


def full_path(crop: Path) -> Path:
    """Say where t1-linear left the image that a crop was cut from."""
    return crop.with_name(crop.name.replace("_desc-Crop_", "_"))


def affine_path(crop: Path) -> Path:
    """Say where t1-linear left the affine of a crop."""
    return crop.with_name(crop.name.removesuffix(CROP_ENDING) + AFFINE_ENDING)


def raw_path(crop: Path, bids: Path) -> Path:
    """Say where the image that t1-linear took lies in its BIDS.

    Parameters
    ----------
    crop
        Crop in ``<caps>/subjects/<sub>/<ses>/t1_linear``.
    bids
        Root of the BIDS.

    Returns
    -------
    pathlib.Path
        The ``.nii`` if that is there, else the ``.nii.gz``, there or not.
    """
    visit = crop.parent.parent
    stem = crop.name.removesuffix(CROP_ENDING)
    folder = bids / visit.parent.name / visit.name / "anat"
    plain = folder / f"{stem}_T1w.nii"
    # A folder that may not be read is told where the image is read.
    with suppress(OSError):
        if plain.is_file():
            return plain
    return folder / f"{stem}_T1w.nii.gz"


def sidecar_path(image: Path) -> Path:
    """Say where the JSON of a ``.nii`` or ``.nii.gz`` image belongs."""
    return image.with_name(f"{split_extension(image.name)[0]}.json")


def uri(path: Path, root: Path | None, beside: Path, name: str = "") -> str:
    """Write a path into a sidecar, so that it holds after the data set was moved.

    Parameters
    ----------
    path
        The file to point to.
    root
        Root of the data set; a file in it becomes a BIDS URI, ``bids::<path from the root>``.
    beside
        The folder of the sidecar; a file elsewhere becomes a path relative to it.
    name
        Name of the data set in the ``DatasetLinks`` of another one that the sidecar belongs to.
    """
    if root is not None and path.is_relative_to(root):
        return f"bids:{name}:{path.relative_to(root).as_posix()}"
    return Path(os.path.relpath(path, beside)).as_posix()


def resolve(
    where: str, root: Path | None, beside: Path, links: Mapping[str, Path] = NO_LINKS
) -> Path:
    """Undo :func:`uri`.

    Parameters
    ----------
    where
        What it wrote.
    root
        Root of the data set that the sidecar belongs to.
    beside
        The folder of the sidecar.
    links
        Roots of other data sets, by their names in its ``DatasetLinks``.
    """
    scheme, _, rest = where.partition(":")
    name, _, path = rest.partition(":")
    if scheme == "bids" and name in links:
        return links[name] / path
    if where.startswith("bids::"):
        return (root or beside) / path
    return beside / where
