"""Exceptions that end one image, or the run, with one readable line.

::

    T1nceError                 (Clinica's ClinicaException where Clinica is loaded)
    |-- ImageError             a volume that cannot be used
    |-- WeightsError           weights or card missing, damaged or not fitting
    |-- SelectionError         no image, or not these images, to work on
    |-- DeviceError            a device that is not there
    |-- OutputError            a folder that cannot be written, a full disk
    |-- TransformError         an affine that is missing, or belongs to another image
    |-- LabelMapError          a label map that the simulator cannot use
    `-- TrainingError          a training that cannot start or go on

Every message is one line that names the file, the problem and the mend.
"""

import sys
from collections.abc import Sequence

if "clinica" in sys.modules:
    # Only then: Clinica takes seconds to import, and half of the package does without it.
    from clinica.utils.exceptions import ClinicaException as _Base
else:
    _Base = Exception


class T1nceError(_Base):
    """Base of all errors that this package raises on purpose."""


def first_line(error: BaseException) -> str:
    r"""Give the first line of a message, or the kind of an error without one.

    Examples
    --------
    >>> first_line(ValueError("one\ntwo")), first_line(AssertionError())
    ('one', 'AssertionError')
    """
    return _lines(error)[0]


def last_line(error: BaseException) -> str:
    """Give the last line of a message, as of a traceback, or the kind of an error without one."""
    return _lines(error)[-1]


def some(items: Sequence[str], separator: str = ", ", most: int = 5) -> str:
    """List the first items, and say how many more there are.

    Examples
    --------
    >>> some(["a", "b", "c"], most=2)
    'a, b, and 1 more'
    """
    rest = f"{separator}and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + rest


def _lines(error: BaseException) -> list[str]:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines or [type(error).__name__]


class ImageError(T1nceError, ValueError):
    """A volume that cannot be used: unreadable, wrong shape, constant, not finite."""


class WeightsError(T1nceError, ValueError):
    """Weights or their card are missing, damaged, or do not fit each other."""


class SelectionError(T1nceError, ValueError):
    """The request selects nothing, or something that is not there."""


class DeviceError(T1nceError, RuntimeError):
    """A device was asked for that this machine does not offer."""


class OutputError(T1nceError, RuntimeError):
    """An output cannot be written."""


class TransformError(T1nceError, ValueError):
    """A spatial transform that cannot be used: missing, unreadable, of another image."""


class LabelMapError(T1nceError, ValueError):
    """A label map cannot be simulated from."""


class TrainingError(T1nceError, RuntimeError):
    """A training cannot start or go on."""
