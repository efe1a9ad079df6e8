"""What the interfaces to the evaluation do with files: masks, grids, names in messages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import Bunch
from nipype.utils.filemanip import fname_presuffix

from clinica_t1nce.errors import ImageError, T1nceError

if TYPE_CHECKING:
    import numpy as np

    from clinica_t1nce.files.nifti import Image


def load_mask(path: str, image: "Image") -> "np.ndarray":
    """Read a mask and refuse an empty one, or one on another grid than `image`.

    Parameters
    ----------
    path
        The mask: above 0 is inside.
    image
        On whose grid it has to be.

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


def check_grid(image: "Image", other: "Image", mend: str) -> None:
    """Refuse an image on another grid than `other` (to 0.001 mm), and say how to mend it.

    Parameters
    ----------
    image, other
        The two.
    mend
        What the message tells the user to do.

    Raises
    ------
    ImageError
        Naming both files.
    """
    import numpy as np

    if image.data.shape != other.data.shape or not np.allclose(
        image.affine, other.affine, rtol=0, atol=1e-3
    ):
        raise ImageError(f"{image.path}: on another grid than {other.path}; {mend}")


def save(
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
        The volume.
    like
        Image whose geometry it has.
    source
        File whose name it gets.
    suffix
        Put behind the name, before ``.nii.gz``.
    runtime
        Of the node.
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
    path = fname_presuffix(str(source), suffix=suffix, newpath=runtime.cwd)
    return str(nifti.save(path, data, like, dtype=kind))


class named:
    """Put the file's name before messages of functions that know arrays only.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Raise the same error with the name."""
        if isinstance(error, T1nceError) and str(self._path) not in str(error):
            raise type(error)(f"{self._path}: {error}") from error
