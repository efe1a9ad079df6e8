"""What the interfaces share: inputs that are options, masks, grids, names in messages."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    Directory,
    InputMultiObject,
    isdefined,
    traits,
)
from nipype.utils.filemanip import fname_presuffix

from clinica_t1nce.errors import ImageError
from clinica_t1nce.translation import options
from clinica_t1nce.translation.options import Options

if TYPE_CHECKING:
    import numpy as np

    from clinica_t1nce.files.nifti import Image


Spec = TypeVar("Spec", bound=type[BaseInterfaceInputSpec])


def with_options(*names: str) -> Callable[[Spec], Spec]:
    """Give a specification of inputs one input for each option, defined as the option is.

    Parameters
    ----------
    *names
        Names of fields of :class:`clinica_t1nce.translation.options.Options`; all that nodes need
        if none is given.
    """

    def add(spec: Spec) -> Spec:
        for name in names or Options.names():
            spec.add_class_trait(name, _trait(name))
        return spec

    return add


def _trait(name: str) -> Any:
    default, kind = options.definition(name).default, options.kind(name)
    about: dict[str, Any] = {"desc": Options.describe(name)}
    known = options.choices(name)
    if isinstance(default, tuple):
        return InputMultiObject(traits.Enum(*known), value=list(default), usedefault=True, **about)
    if default is None:
        plain = {int: lambda: traits.Range(low=1, **about), Path: lambda: Directory(**about)}
        return traits.Enum(*known, **about) if known else plain[kind]()
    if known:
        others = [value for value in known if value != default]
        return traits.Enum(default, *others, usedefault=True, **about)
    return {bool: traits.Bool, str: traits.Str}[kind](default, usedefault=True, **about)


def trait_values(chosen: Options) -> dict[str, Any]:
    """Give options as inputs of an interface; those that are None are left out."""
    values = {name: getattr(chosen, name) for name in Options.names()}
    plain = {tuple: list, Path: str}
    return {
        name: next((plain[kind](value) for kind in plain if isinstance(value, kind)), value)
        for name, value in values.items()
        if value is not None
    }


def chosen_options(inputs: BaseInterfaceInputSpec) -> Options:
    """Read the options from an interface's inputs.

    Parameters
    ----------
    inputs
        Inputs of :func:`with_options`.
    """
    values = {name: getattr(inputs, name, None) for name in Options.names()}
    return Options(**{name: v for name, v in values.items() if v is not None and isdefined(v)})


def given(value: Any) -> Any:
    """Give a trait's value, None if it has none."""
    return value if isdefined(value) else None


def given_path(value: Any) -> Path | None:
    """Give a trait's value as an absolute path, None if it has none."""
    return Path(value).absolute() if isdefined(value) else None


def load_mask(path: str, image: "Image") -> "np.ndarray":
    """Read a mask and refuse an empty one, or one on another grid than `image`.

    Parameters
    ----------
    path
        Path of the mask: above 0 is inside.
    image
        Image on whose grid it has to be.

    Returns
    -------
    numpy.ndarray
        Boolean.

    Raises
    ------
    ImageError
        Naming the file.
    """
    from clinica_t1nce.files import nifti

    mask = nifti.load(path, constant=True)
    check_grid(mask, image, "make the mask on the image's grid")
    inside: np.ndarray = mask.data > 0
    if not inside.any():
        raise ImageError(f"{mask.path}: the mask is empty; give another one")
    return inside


def check_grid(image: "Image", other: "Image", advice: str) -> None:
    """Refuse an image on another grid than `other` (to 0.001 mm).

    Parameters
    ----------
    image, other
        Images to compare.
    advice
        Advice for the user in the message.

    Raises
    ------
    ImageError
        Naming both files.
    """
    import numpy as np

    if image.data.shape != other.data.shape or not np.allclose(
        image.affine, other.affine, rtol=0, atol=1e-3
    ):
        raise ImageError(f"{image.path}: on another grid than {other.path}; {advice}")


def save_in_node(
    data: "np.ndarray",
    like: "Image",
    source: Path,
    suffix: str,
    runtime: Bunch,
    dtype: Any = None,
) -> str:
    """Write a volume into the node's folder, named like `source` with a suffix.

    Masks become uint8, others float32, unless `dtype` is given.

    Parameters
    ----------
    data
        Voxels of the volume.
    like
        Image whose geometry it has.
    source
        Path of the file whose name it gets.
    suffix
        Text behind the name, before ``.nii.gz``.
    runtime
        Runtime of the node.
    dtype
        Type in the file.

    Returns
    -------
    str
        Path of the file.
    """
    import numpy as np

    from clinica_t1nce.files import nifti

    kind = dtype or (np.uint8 if data.dtype == bool else np.float32)
    # A label map of FreeSurfer becomes NIfTI.
    name = re.sub(r"\.mg[hz]$", ".nii.gz", str(source))
    path = fname_presuffix(name, suffix=suffix, newpath=runtime.cwd)
    return str(nifti.save(path, data, like, dtype=kind))
