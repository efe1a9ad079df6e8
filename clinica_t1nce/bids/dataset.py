"""BIDS data sets that hold T1w images: visits, images, metadata, and which image to prefer.

Read file by file rather than through pybids' layout, which indexes every file of a data set
before it answers: minutes, and a data base, on a data warehouse.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clinica_t1nce.bids import contrast
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import tsv
from clinica_t1nce.files.text import read_json

T1CE, T1NCE = "T1ce", "T1nce"

EXTENSIONS = (".nii.gz", ".nii")

BEFORE_CE = ("sub", "ses", "sample", "task", "tracksys", "acq")
"""Entities that come before ``ce`` in a BIDS name."""


@dataclass(frozen=True)
class T1w:
    """A T1w image of a BIDS data set.

    Attributes
    ----------
    visit
        Whose it is.
    path
        The file.
    evidence
        What shows that it is a T1ce, see :func:`contrast.evidence`; None for a T1nce.
    agent
        The contrast agent that the sidecar names, if it does.
    """

    visit: Visit
    path: Path
    evidence: str | None
    agent: str | None = None

    @property
    def kind(self) -> str:
        """``"T1ce"`` or ``"T1nce"``."""
        return T1NCE if self.evidence is None else T1CE

    @cached_property
    def thickness(self) -> float:
        """Largest voxel side in mm, to 0.1; infinite if the header cannot be read."""
        import nibabel as nib

        try:
            header: Any = nib.load(self.path).header
            zooms = header.get_zooms()[:3]
        except Exception:  # nibabel has no common base for what a damaged header raises
            return float("inf")
        return round(max(float(zoom) for zoom in zooms), 1)

    @property
    def run(self) -> int:
        """Index of the entity ``run``; 0 without."""
        label = entities(self.path.name).get("run", "0")
        return int(label) if label.isdigit() else 0


class Dataset:
    """A BIDS data set with sessions.

    Parameters
    ----------
    root
        Its folder.

    Raises
    ------
    SelectionError
        If the folder is not there, is a CAPS, or has images outside of sessions or none at all.
    """

    def __init__(self, root: Path):
        self.root = root
        mend = "give the root of a BIDS data set"
        if not root.is_dir():
            raise SelectionError(f"{root}: no such folder; {mend}")
        if (root / "subjects").is_dir():
            raise SelectionError(f"{root}: a CAPS, not a BIDS data set; {mend}")
        subjects = _folders(root, "sub-")
        if not subjects:
            raise SelectionError(f"{root}: no folder sub-* in it; {mend}")
        for subject in subjects:
            if (subject / "anat").is_dir():
                raise SelectionError(
                    f"{subject}: images outside of sessions, which Clinica does not take; put "
                    "them into a folder ses-<label>, and ses-<label> into their names"
                )
        self.visits = [
            Visit(subject.name, session.name)
            for subject in subjects
            for session in _folders(subject, "ses-")
        ]

    def t1w(self, visit: Visit) -> list[T1w]:
        """List the T1w of a visit, sorted by name.

        Raises
        ------
        SelectionError
            If a sidecar or ``scans.tsv`` cannot be read.
        """
        anat = self.root / visit.subject / visit.session / "anat"
        rows = self.scans(visit)
        found = []
        for path in sorted(anat.iterdir()) if anat.is_dir() else []:
            if not is_t1w(path.name):
                continue
            metadata = self.metadata(path)
            evidence = contrast.evidence(path.name, metadata, rows.get(f"anat/{path.name}"))
            agents = (contrast.agent(metadata.get(field)) for field in contrast.FIELDS)
            found.append(T1w(visit, path, evidence, next(filter(None, agents), None)))
        return found

    @staticmethod
    def scans_name(visit: Visit) -> Path:
        """Say where, from the root, the ``scans.tsv`` of a visit belongs."""
        return Path(*visit, f"{'_'.join(visit)}_scans.tsv")

    def scans_path(self, visit: Visit) -> Path:
        """Say where the ``scans.tsv`` of a visit belongs."""
        return self.root / self.scans_name(visit)

    @staticmethod
    def own_sidecar(image: Path) -> Path:
        """Say where the sidecar of an image belongs."""
        return image.with_name(f"{stem(image.name)}.json")

    def scans(self, visit: Visit) -> dict[str, tsv.Row]:
        """Read the rows of ``scans.tsv`` by file name; none where there is no such table."""
        path = self.scans_path(visit)
        return (
            {row["filename"]: row for row in tsv.read(path, ["filename"])} if path.is_file() else {}
        )

    def sidecars(self, image: Path) -> list[Path]:
        """List the JSON files that describe an image by BIDS's inheritance, the farthest first.

        One that lies beside an image of its own name describes that image only: by the letter of
        BIDS, the sidecar of ``sub-01_T1w`` would describe ``sub-01_ce-gd_T1w`` as well.
        """
        own = entities(image.name)
        suffix = _suffix(image.name)
        below = [image.parents[2], image.parents[1], image.parent]
        levels = [self._root_sidecars, *(sorted(folder.glob("*.json")) for folder in below)]
        found = []
        for level in levels:
            apply = [
                path
                for path in level
                if _suffix(path.name) == suffix
                and entities(path.name).items() <= own.items()
                and (stem(path.name) == stem(image.name) or not _has_image(path))
            ]
            found += sorted(apply, key=lambda path: len(entities(path.name)))
        return found

    def metadata(self, image: Path) -> dict[str, Any]:
        """Read the metadata of an image, inherited fields included.

        Raises
        ------
        SelectionError
            If a sidecar is not JSON.
        """
        content: dict[str, Any] = {}
        for path in self.sidecars(image):
            content |= read_json(path)
        return content

    @cached_property
    def _root_sidecars(self) -> list[Path]:
        return sorted(self.root.glob("*.json"))


def prefer(images: Iterable[T1w]) -> list[T1w]:
    """Sort T1w of one visit and kind, the one to prefer first.

    Thinner slices (smaller largest voxel side) come first; then the later run, as in Clinica
    (what was repeated was repeated for a reason); then the order of the names.
    """
    return sorted(images, key=lambda image: (image.thickness, -image.run, image.path.name))


def is_t1w(name: str) -> bool:
    """Say whether a name is that of a T1w image."""
    return name.startswith("sub-") and name.endswith(tuple(f"_T1w{end}" for end in EXTENSIONS))


def entities(name: str) -> dict[str, str]:
    """Take a BIDS name apart.

    Examples
    --------
    >>> entities("sub-01_ses-M000_run-2_T1w.nii.gz")
    {'sub': '01', 'ses': 'M000', 'run': '2'}
    """
    parts = (part.split("-", 1) for part in name.split(".", 1)[0].split("_"))
    return {part[0]: part[1] for part in parts if len(part) == 2}


def with_session(name: str, session: str) -> str:
    """Put a name into another session.

    Examples
    --------
    >>> with_session("sub-01_ses-M000_T1w.nii.gz", "ses-M000ce")
    'sub-01_ses-M000ce_T1w.nii.gz'
    """
    return re.sub(r"_ses-[^_.]+", f"_{session}", name, count=1)


def with_contrast(name: str, label: str) -> str:
    """Give a name without the entity ``ce`` that entity, at its place.

    Examples
    --------
    >>> with_contrast("sub-01_ses-1_acq-x_run-2_T1w.nii.gz", "gadolinium")
    'sub-01_ses-1_acq-x_ce-gadolinium_run-2_T1w.nii.gz'
    """
    parts = name.split("_")
    place = sum(part.split("-", 1)[0] in BEFORE_CE for part in parts)
    return "_".join([*parts[:place], f"ce-{label}", *parts[place:]])


def without_contrast(name: str) -> str:
    """Take the entity ``ce`` out of a name.

    Examples
    --------
    >>> without_contrast("sub-01_ses-1_ce-gadolinium_run-2_T1w.nii.gz")
    'sub-01_ses-1_run-2_T1w.nii.gz'
    """
    return "_".join(part for part in name.split("_") if not part.startswith("ce-"))


def stem(name: str) -> str:
    """Strip the extension of a BIDS name."""
    return name.split(".", 1)[0]


def _suffix(name: str) -> str:
    return stem(name).rsplit("_", 1)[-1]


def _has_image(sidecar: Path) -> bool:
    return any(sidecar.with_suffix(extension).exists() for extension in EXTENSIONS)


def _folders(parent: Path, prefix: str) -> list[Path]:
    try:
        return sorted(
            path for path in parent.iterdir() if path.name.startswith(prefix) and path.is_dir()
        )
    except OSError as error:
        raise SelectionError(
            f"{parent}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error
