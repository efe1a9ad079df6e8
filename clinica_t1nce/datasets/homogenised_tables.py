"""The tables of a homogenised data set: its own, and those taken over from the BIDS."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinica_t1nce.bids import contrast_agents, t1w_images
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import sidecar
from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.choices import ACQUIRED, REGENERATED, SYNTHETIC
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import Cells, as_json, is_there, read_json, read_unique, table_text

T1NCE_TSV = "t1nce.tsv"
T1NCE_COLUMNS = (
    "participant_id",
    "session_id",
    "t1nce",
    "model",
    "session_id_source",
    "source",
    "reason",
)
_SCANS_JSON = {
    "t1nce": {
        "Description": "Where the image comes from",
        "Levels": {
            ACQUIRED: "acquired without contrast agent",
            REGENERATED: "acquired without contrast agent, and passed through the generator",
            SYNTHETIC: "made from a contrast-enhanced image",
        },
    }
}


def find_rows(out: Path) -> list[Cells]:
    """Describe the images that are there, by their sidecars."""
    rows = []
    for image in sorted(out.glob("sub-*/ses-*/anat/*_T1w.nii.gz")):
        content = sidecar.read(image)
        if content is None:
            continue
        rows.append(
            {
                "participant_id": image.parts[-4],
                "session_id": image.parts[-3],
                "t1nce": str(content.get("T1nce", SYNTHETIC)),
                "model": str(content.get("Model", {}).get("Name", "n/a")),
                "session_id_source": str(content.get("SourceSession", "n/a")),
                "source": str(next(iter(content.get("Sources", [])), "n/a")),
                "raw": _raw(content),
                "reason": str(content.get("TakenBecause", "n/a")),
            }
        )
    return rows


def _raw(content: Mapping[str, Any]) -> str:
    """Give the path in the BIDS of the image that t1-linear took, if a sidecar knows it."""
    prefix = "bids:bids:"
    found = (source for source in content.get("Sources", []) if source.startswith(prefix))
    return next(found, "").removeprefix(prefix)


def check_tables(source: t1w_images.Dataset) -> None:
    """Refuse a BIDS whose tables of participants or sessions cannot be taken over.

    Raises
    ------
    SelectionError
        If one cannot be read, or lists somebody twice.
    """
    for subject in ["", *sorted({visit.subject for visit in source.visits})]:
        table, key = _table_of(subject)
        if is_there(source.root / table):
            read_unique(source.root / table, key)
            _explanations(source.root, table)


def plan_tables(
    rows: Sequence[Cells], source: t1w_images.Dataset | None
) -> tuple[outputs.FilePlan, dict[Visit, str]]:
    """Say what the tables of a homogenised data set hold.

    Parameters
    ----------
    rows
        Rows from :func:`find_rows`.
    source
        BIDS whose tables are taken over, as far as they describe what is here.

    Returns
    -------
    files : dict
        Tables by their path in the data set.
    failed : dict
        Reasons by visit, of visits whose row of ``scans.tsv`` cannot be read.

    Raises
    ------
    SelectionError
        If a table cannot be taken over, see :func:`check_tables`.
    """
    failed: dict[Visit, str] = {}
    files = {
        Path(T1NCE_TSV): Entry(text=table_text(rows, T1NCE_COLUMNS)),
        Path("scans.json"): Entry(text=as_json(_SCANS_JSON)),
    }
    sessions: dict[str, list[str]] = {}
    for row in rows:
        visit = Visit(row["participant_id"], row["session_id"])
        sessions.setdefault(visit.subject, []).append(visit.session)
        known: Cells = {}
        try:
            known = _acquisition(row, source)
        except SelectionError as error:
            failed[visit] = str(error)
        files[t1w_images.Dataset.scans_name(visit)] = Entry(text=_scans_text(visit, row, known))
    files |= _participants(list(sessions), source)
    if source is not None:
        for subject, kept in sessions.items():
            files |= _taken_over(source.root, *_table_of(subject), kept)
    return files, failed


def _table_of(subject: str) -> tuple[Path, str]:
    """Say where the table of a participant's sessions is, or that of all participants."""
    if not subject:
        return Path("participants.tsv"), "participant_id"
    return Path(subject, f"{subject}_sessions.tsv"), "session_id"


def _participants(subjects: list[str], source: t1w_images.Dataset | None) -> dict[Path, Entry]:
    table, key = _table_of("")
    files = {} if source is None else _taken_over(source.root, table, key, subjects)
    if table not in files:
        files[table] = Entry(text=table_text([{key: subject} for subject in subjects], [key]))
    return files


def _taken_over(root: Path, table: Path, key: str, kept: list[str]) -> dict[Path, Entry]:
    """Take a table of the BIDS, and its explanations, over: the rows of what is here."""
    if not is_there(root / table):
        return {}
    known = {value: row for (value,), row in read_unique(root / table, key).items()}
    rows = [known.get(value, {key: value}) for value in kept]
    columns = next((list(row) for row in known.values()), [key])
    files = {table: Entry(text=table_text(rows, columns))}
    return files | _explanations(root, table)


def _explanations(root: Path, table: Path) -> dict[Path, Entry]:
    """Take what explains the columns of a table."""
    path = table.with_suffix(".json")
    return {path: Entry(text=as_json(read_json(root / path)))} if is_there(root / path) else {}


def _acquisition(row: Cells, source: t1w_images.Dataset | None) -> Cells:
    """Read what ``scans.tsv`` says of the acquisition of an image, but for the contrast agent."""
    if source is None or not row["raw"]:
        return {}
    path = Path(row["raw"])
    found = source.scans_row(Visit(*path.parts[:2]), path.name)
    return {key: value for key, value in found.items() if not contrast_agents.is_field(key)}


def _scans_text(visit: Visit, row: Cells, known: Cells) -> str:
    """Describe the one image of a visit; the rest of the row is that of the acquisition."""
    content = {**known, "filename": f"anat/{'_'.join(visit)}_T1w.nii.gz", "t1nce": row["t1nce"]}
    columns = ["filename", *(key for key in known if key != "filename"), "t1nce"]
    return table_text([content], columns)
