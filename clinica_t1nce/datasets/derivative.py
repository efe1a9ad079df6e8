"""A BIDS derivative with the synthetic T1nce of a BIDS: names, description, methods."""

from collections.abc import Mapping, Sequence
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


def image_path(source: Path, bids: Path, out: Path, space: str) -> Path:
    """Say where the T1nce of a T1ce belongs.

    Examples
    --------
    >>> source = Path("in/sub-1/ses-a/anat/sub-1_ses-a_ce-gd_T1w.nii.gz")
    >>> image_path(source, Path("in"), Path("out"), "native").as_posix()
    'out/sub-1/ses-a/anat/sub-1_ses-a_desc-synthnce_T1w.nii.gz'
    """
    stem = split_extension(without_contrast(source.name))[0].rpartition("_")[0]
    if space != SPACES[0]:
        stem += f"_space-{space}_res-1"
    return out / source.parent.relative_to(bids) / f"{stem}_desc-synthnce_T1w.nii.gz"


def check_place(out: Path, bids: Path) -> None:
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
    made = outputs.read_description(out).get("GeneratedBy") or [{}]
    if outputs.holds_files(out) and made[0].get("Name") != outputs.NAME:
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
    return {
        Path(DESCRIPTION): Entry(text=as_json(content)),
        Path("README"): Entry(text=readme),
        Path(".bidsignore"): Entry(text=_IGNORED),
        Path(CITATION): Entry(text=methods([model])),
    }


def methods(models: Sequence[Mapping[str, Any]]) -> str:
    """Write what to say in a paper of images that were made by some models."""
    named = " and ".join(f"{model['Name']} (SHA-256 {model['SHA256'][:12]})" for model in models)
    return f"""# Methods

Synthetic T1-weighted images without contrast agent were made from the contrast-enhanced ones with
clinica-t1nce {clinica_t1nce.__version__}, weights {named},
after the method of Bottani et al. (2024). Each image was corrected for its bias field by N4
(Tustison et al., 2010) and registered by an affine transform of ANTs (Avants et al., 2011) to the
{MNI} template; the enhancement that the network found there was brought back to the
image's own grid and subtracted.

# References

- Bottani S, et al. Contrast-enhanced to non-contrast-enhanced image translation to exploit a
  clinical data warehouse of T1-weighted brain MRI. BMC Medical Imaging, 2024.
  doi:10.1186/s12880-024-01242-3
- Tustison NJ, et al. N4ITK: improved N3 bias correction. IEEE Transactions on Medical Imaging,
  2010. doi:10.1109/TMI.2010.2046908
- Avants BB, et al. A reproducible evaluation of ANTs similarity metric performance in brain image
  registration. NeuroImage, 2011. doi:10.1016/j.neuroimage.2010.09.025
- Where whole heads were given: Fisch L, et al. deepbet: fast brain extraction of T1-weighted MRI
  using convolutional neural networks. Computers in Biology and Medicine, 2024.
"""
