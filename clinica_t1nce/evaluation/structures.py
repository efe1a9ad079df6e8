"""Structures of label maps: those of the segmentations that users have, and how to name a method.

Label numbers are those that the tools' own documentation lists: SynthSeg, SAMSEG, FreeSurfer and
FastSurfer share FreeSurfer's; DL+DiReCT and MindGlide have their own. Brain stem and ventral
diencephalon count as white matter, choroid plexus as part of the ventricles. ``TIV`` stands for
the total intracranial volume, where a tool labels the fluid outside the ventricles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from clinica_t1nce.files.text import read_rows

Structures = Mapping[str, Sequence[int]]
"""Labels of each structure; a label may belong to several structures."""

VolumeKind = Literal["atropos", "atropos-own", "maps", "labels"]
"""How volumes are got: Atropos in the shared brain mask or in the image's own, probability maps of
three tissues, label maps."""

ATROPOS: Final = "atropos"
OWN: Final = "atropos-own"
MAPS: Final = "maps"
LABELS: Final = "labels"

TIV = "TIV"
"""Structure that stands for the total intracranial volume."""

PATTERNS: dict[str, str] = {
    "synthseg": "{image}/{source}_T1w_synthseg.nii.gz",
    "fastsurfer": "{image}/{source}*/mri/aparc.DKTatlas+aseg.deep.mgz",
    "freesurfer": "{image}/{source}*/mri/aparc+aseg.mgz",
    "samseg": "{image}/{source}*/seg.mgz",
    "dldirect": "{image}/{source}*/T1w_norm_seg.nii.gz",
    "mindglide": "{image}/{source}*.nii.gz",
    "spm": "{image}/c{tissue}{source}_T1w.nii",
}
"""Where each tool's files lie below a folder that has one folder for ``T1nce``, ``T1ce`` and each
model."""


@dataclass(frozen=True)
class VolumeMethod:
    """One way to get the volumes of a pair's images.

    Attributes
    ----------
    name
        Name in tables and file names.
    kind
        Kind of segmentation.
    structures
        Structures that are measured.
    pattern
        Pattern of the files, for maps and labels.
    """

    name: str
    kind: VolumeKind
    structures: Structures
    pattern: str = ""

    @property
    def computed(self) -> bool:
        """Whether the volumes are segmented here, after the alignment of the pair."""
        return self.kind in (ATROPOS, OWN)


@cache
def structures_of(name: str) -> Structures:
    """Look up the structures of a tool.

    Parameters
    ----------
    name
        Name of the tool: a key of :data:`PATTERNS`, or ``"atropos"``.

    Returns
    -------
    dict
        Labels of each structure, in the order of the tables.

    Raises
    ------
    KeyError
        If the tool is unknown.
    """
    rows = read_rows(Path(__file__).with_suffix(".tsv"), ["preset", "name", "index"])
    found = {row["name"]: _indices(row["index"]) for row in rows if name in row["preset"].split()}
    if not found:
        raise KeyError(name)
    return found


def read_structures(path: Path) -> Structures:
    """Read the structures of a BIDS table: ``index`` and ``name``, a row for each label.

    Parameters
    ----------
    path
        Table; rows of one name belong together, the label 0 is left out.

    Returns
    -------
    dict
        Labels of each structure.

    Raises
    ------
    ValueError
        If it is no such table, or lists no structure.
    """
    found: dict[str, list[int]] = {}
    for row in read_rows(path, ["index", "name"]):
        if (index := int(row["index"])) != 0:
            found.setdefault(row["name"], []).append(index)
    if not found:
        raise ValueError(f"{path} lists no structure")
    return found


def _indices(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
