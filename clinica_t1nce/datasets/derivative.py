"""A BIDS derivative with the synthetic T1nce of a BIDS: names, description, methods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import clinica_t1nce
from clinica_t1nce.bids.entities import split_extension, without_contrast
from clinica_t1nce.caps.description import DESCRIPTION
from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import as_json

MNI = "MNI152NLin2009aSym"
"""Space of the template that heads are registered to."""

SPACES = ("native", MNI)

CITATION = "CITATION.md"

_IGNORED = f"/{CITATION}\n*.html\n*.jpg\n/t1nce.tsv\n"


def derivative_path(source: Path, bids: Path, out: Path, space: str) -> Path:
    """Say where the T1nce of a T1ce belongs.

    Examples
    --------
    >>> source = Path("in/sub-1/ses-a/anat/sub-1_ses-a_ce-gd_T1w.nii.gz")
    >>> derivative_path(source, Path("in"), Path("out"), "native").as_posix()
    'out/sub-1/ses-a/anat/sub-1_ses-a_desc-synthnce_T1w.nii.gz'
    """
    stem = split_extension(without_contrast(source.name))[0].rpartition("_")[0]
    if space != SPACES[0]:
        stem += f"_space-{space}_res-1"
    return out / source.parent.relative_to(bids) / f"{stem}_desc-synthnce_T1w.nii.gz"


def check_derivative(out: Path, bids: Path) -> None:
    """Refuse an output folder that is the BIDS, around it, in its raw data, or another's.

    Raises
    ------
    SelectionError
        Saying which it is.
    """
    here, there = out.resolve(), bids.resolve()
    if here.is_relative_to(there / "derivatives") and here != there / "derivatives":
        there = there / "sourcedata"  # BIDS has a place for derivatives in the data set.
    outputs.check_place(here, [there])
    content = outputs.read_description(out)
    made = content.get("GeneratedBy") or [{}]
    # What `separate` and `homogenise` make is raw, or a CAPS.
    ours = content.get("DatasetType") == "derivative" and "CAPSVersion" not in content
    if outputs.holds_files(out) and not (ours and made[0].get("Name") == outputs.NAME):
        raise SelectionError(
            f"{out}: holds files that `clinica-t1nce bids` did not make; give a new folder"
        )


def make_texts(bids: Path, model: Mapping[str, Any]) -> dict[Path, Entry]:
    """Make the texts of the data set, by their path in it.

    Parameters
    ----------
    bids
        Root of the BIDS that it is made from.
    model
        Result of :func:`clinica_t1nce.caps.sidecar.describe_model`.
    """
    source = outputs.read_description(bids)
    link = bids.resolve().as_uri()
    content = {
        "Name": f"Synthetic T1nce of {source.get('Name') or bids.resolve().name}",
        "BIDSVersion": source.get("BIDSVersion") or outputs.BIDS_VERSION,
        "DatasetType": "derivative",
        "License": source.get("License") or "as that of the source data",
        "GeneratedBy": [{"Name": outputs.NAME, "Version": clinica_t1nce.__version__}],
        "SourceDatasets": [{"URL": link}],
        "DatasetLinks": {"raw": link},
    }
    readme = (
        f"{content['Name']}\n\nMade by `clinica-t1nce bids`: for each contrast-enhanced T1w, a "
        "synthetic image without contrast.\nFor segmentation and research; do not read lesions or "
        f"enhancement in them. {CITATION} has a sentence for your methods.\n"
    )
    citation = outputs.packaged_text(CITATION).format(
        version=clinica_t1nce.__version__,
        model=f"{model['Name']} (SHA-256 {model['SHA256'][:12]})",
        mni=MNI,
    )
    return {
        Path(DESCRIPTION): Entry(text=as_json(content)),
        Path("README"): Entry(text=readme),
        Path(".bidsignore"): Entry(text=_IGNORED),
        Path(CITATION): Entry(text=citation),
    }
