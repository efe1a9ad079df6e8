"""Whether a BIDS image was acquired after an injection of contrast agent."""

import re
from collections.abc import Mapping
from typing import Any

from clinica_t1nce.bids.entities import BY_ENTITY, has_contrast

BY_SCANS = "scans.tsv"

FIELDS = ("ContrastBolusIngredient", "ContrastBolusAgent")
"""Fields of a sidecar, and columns of scans.tsv, that name the agent."""

NOTHING = {"", "none", "n/a", "na", "null", "no", "false", "0"}
"""Values that say that there was none, in any case of letters."""


def agent(value: Any) -> str | None:
    """Give the agent that a field names, or None.

    Examples
    --------
    >>> agent("GADOLINIUM"), agent(["Gadovist"]), agent("None"), agent("")
    ('GADOLINIUM', 'Gadovist', None, None)
    """
    values = value if isinstance(value, list) else [value]
    for item in values:
        word = str(item).strip()
        if item is not None and word.lower() not in NOTHING:
            return word
    return None


def evidence(
    name: str, metadata: Mapping[str, Any], scans_row: Mapping[str, str] | None = None
) -> str | None:
    """Say what shows that an image is contrast-enhanced; None if nothing does.

    Looked at in this order: the BIDS entity ``ce-`` of the name, then
    ``ContrastBolusIngredient`` and ``ContrastBolusAgent`` in the sidecar, then columns of these
    names in ``scans.tsv``. Empty values, and those such as ``none``, say nothing.

    Parameters
    ----------
    name
        File name of the image.
    metadata
        Its sidecar, inherited fields included.
    scans_row
        Its row of ``scans.tsv``.

    Returns
    -------
    str or None
        ``"ce entity"``, the name of the sidecar's field, or ``"scans.tsv"``.

    Examples
    --------
    >>> evidence("sub-01_ses-1_T1w.nii.gz", {"ContrastBolusAgent": "Dotarem"})
    'ContrastBolusAgent'
    """
    if has_contrast(name):
        return BY_ENTITY
    for field in FIELDS:
        if agent(metadata.get(field)) is not None:
            return field
    row = scans_row or {}
    if any(is_field(column) and agent(value) is not None for column, value in row.items()):
        return BY_SCANS
    return None


def is_field(column: str) -> bool:
    """Say whether a column names the agent, whatever the case and the separators.

    Examples
    --------
    >>> is_field("contrast_bolus_agent"), is_field("acq_time")
    (True, False)
    """
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    return plain in {field.lower() for field in FIELDS}
