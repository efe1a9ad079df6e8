"""HTML from templates: escaped, self-contained, the same bytes for the same content."""

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from clinica_t1nce.files.atomic import temporary
from clinica_t1nce.files.text import write_text

if TYPE_CHECKING:
    from jinja2 import Environment


def fill_template(
    path: str | Path, template: str, *, keep_equal: bool = False, **content: object
) -> Path:
    """Fill a template and write it, atomically.

    Parameters
    ----------
    path
        The HTML file.
    template
        A file of the folder ``templates``.
    keep_equal
        Whether a file that has that content is left as it is, with its time.
    content
        Values that the template names; every text is escaped.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = _environment().get_template(template).render(**content)
    path = Path(path)
    if keep_equal:
        write_text(path, text)
    else:
        with temporary(path) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    return path


def say(value: object) -> str:
    """Write a value for people: four digits of a number, n/a for what is not there.

    Examples
    --------
    >>> say(0.123456), say(31), say(float("inf")), say(None), say("good")
    ('0.1235', '31', 'inf', 'n/a', 'good')
    """
    if value is None or (isinstance(value, Real) and math.isnan(value)):
        return "n/a"
    if isinstance(value, bool | Integral) or not isinstance(value, Real):
        return str(value)
    return f"{float(value):.4g}"


def as_table(measures: Mapping[str, object]) -> tuple[list[str], list[list[str]]]:
    """Arrange measures as the head and the rows of a table.

    Parameters
    ----------
    measures
        Names and values; or, for several images, names of rows and for each a mapping of names
        and values.

    Returns
    -------
    head : list of str
        Column titles, the first empty; empty for a plain list of names and values.
    rows : list of list of str
        The first cell of each is its title.
    """
    nested = {row: cells for row, cells in measures.items() if isinstance(cells, Mapping)}
    if len(nested) < len(measures) or not measures:
        return [], [[str(name), say(value)] for name, value in measures.items()]
    columns = list(dict.fromkeys(name for cells in nested.values() for name in cells))
    rows = [[str(row), *(say(cells.get(c, "")) for c in columns)] for row, cells in nested.items()]
    return ["", *map(str, columns)], rows


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("clinica_t1nce.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder = resources.files("clinica_t1nce.report") / "templates"
    environment.globals["asset"] = lambda name: (folder / name).read_text(encoding="utf-8")
    environment.filters["say"] = say
    return environment
