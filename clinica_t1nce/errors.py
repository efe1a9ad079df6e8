"""Exceptions that end one image, or the run, with one readable line.

::

    T1nceError                 (Clinica's ClinicaException where Clinica is loaded)
    |-- ImageError             a volume that cannot be used
    |-- WeightsError           weights or card missing, damaged or not fitting
    |-- SelectionError         no image, or not these images, to work on
    |   `-- AgentWordError     words on a contrast agent that are not known
    |-- DeviceError            a device that is not there
    |-- OutputError            a folder that cannot be written, a full disk
    |-- TransformError         an affine that is missing, or belongs to another image
    |-- LabelMapError          a label map that the simulator cannot use
    `-- TrainingError          a training that cannot start or go on

Every message is one line that names the file, the problem and the mend.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

if "clinica" in sys.modules:
    # Only then: Clinica takes seconds to import, and half of the package does without it.
    from clinica.utils.exceptions import ClinicaException as _Base
else:
    _Base = Exception


_TRACEBACK = "Traceback (most recent call last)"


class T1nceError(_Base):
    """Base of all errors that this package raises on purpose."""


def one_line(error: BaseException | str) -> str:
    r"""Write an error as one line.

    Parameters
    ----------
    error
        Error, or text of one. Of a traceback, the last line is its message.

    Returns
    -------
    str
        Message, or the kind of an error without one.

    Examples
    --------
    >>> one_line(ValueError("one\n two")), one_line(AssertionError())
    ('one two', 'AssertionError')
    >>> one_line("Traceback (most recent call last):\n  File ...\nclinica_t1nce.errors.X: why")
    'why'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return "no message" if isinstance(error, str) else type(error).__name__
    if not any(_TRACEBACK in line for line in lines):
        return " ".join(" ".join(lines).split())
    kind, separator, message = lines[-1].partition(": ")
    return message if separator and kind.startswith(f"{__name__}.") else lines[-1]


def reason(error: BaseException) -> str:
    """Write as one line why an image failed; of an error that nobody expected also its kind."""
    text = one_line(error)
    return text if isinstance(error, T1nceError) else f"unexpected {type(error).__name__}: {text}"


def some(items: Sequence[object], separator: str = ", ", most: int = 5) -> str:
    """List the first items, and say how many more there are.

    Examples
    --------
    >>> some(["a", "b", "c"], most=2)
    'a, b, and 1 more'
    """
    rest = f"{separator}and {len(items) - most} more" if len(items) > most else ""
    return separator.join(str(item) for item in items[:most]) + rest


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Put a file's name before messages of functions that know arrays only."""
    try:
        yield
    except T1nceError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


class ImageError(T1nceError, ValueError):
    """A volume that cannot be used: unreadable, wrong shape, constant, not finite."""


class WeightsError(T1nceError, ValueError):
    """Weights or their card are missing, damaged, or do not fit each other."""


class SelectionError(T1nceError, ValueError):
    """The request selects nothing, or something that is not there."""


class AgentWordError(SelectionError):
    """Metadata name a contrast agent in words that are not known.

    Attributes
    ----------
    words
        Words that are not known.
    """

    def __init__(self, message: str, words: Sequence[str] = ()):
        super().__init__(message)
        self.words = tuple(words)


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
