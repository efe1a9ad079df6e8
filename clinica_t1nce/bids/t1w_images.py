"""BIDS data sets that hold T1w images: visits, images, metadata, and which image to prefer.

Read file by file, with pybids' parser alone: pybids' layout indexes every file of a data set before
it answers, stops at the first sidecar that cannot be read, and ends labels at their first dot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from clinica_t1nce.bids import contrast_agents
from clinica_t1nce.bids.contrast_agents import NO_WORDS, Words
from clinica_t1nce.bids.entities import (
    IMAGE_EXTENSIONS,
    Visit,
    contrast_label,
    entities,
    is_t1w,
    run_of,
    stem,
    suffix,
)
from clinica_t1nce.errors import AgentWordError, SelectionError
from clinica_t1nce.files.content import is_dicom
from clinica_t1nce.files.text import Cells, is_there, read_json, read_unique

T1CE, T1NCE = "T1ce", "T1nce"

BY_TSV = "tsv"
"""Evidence of an image whose kind a table tells."""

NO_KINDS: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True)
class T1w:
    """A T1w image of a BIDS data set.

    Attributes
    ----------
    visit
        Participant and session.
    path
        The file.
    evidence
        Reason to take it for a T1ce, from
        :func:`clinica_t1nce.bids.contrast_agents.find_evidence`; None for a T1nce.
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
        return run_of(self.path.name)


class Dataset:
    """A BIDS data set.

    Parameters
    ----------
    root
        Folder of the data set.
    words
        Meanings of words, from :func:`clinica_t1nce.bids.contrast_agents.read_words`.
    without_sessions
        Whether images may lie outside of sessions, which Clinica does not take: their visit has
        an empty session.

    Raises
    ------
    SelectionError
        If the folder is not there, is a CAPS, or has images outside of sessions or none at all.
    """

    def __init__(self, root: Path, words: Words = NO_WORDS, *, without_sessions: bool = False):
        self.root = root
        self.words = words
        advice = "give the root of a BIDS data set"
        if not root.is_dir():
            raise SelectionError(f"{root}: no such folder; {advice}")
        if (root / "subjects").is_dir():
            raise SelectionError(f"{root}: a CAPS, not a BIDS data set; {advice}")
        subjects = _subfolders(root, "sub-")
        if not subjects and is_dicom(root):
            raise SelectionError(f"{root}: DICOM; make a BIDS data set of it first, as by dcm2bids")
        if not subjects:
            raise SelectionError(f"{root}: no folder sub-* in it; {advice}")
        self.visits = []
        for subject in subjects:
            if (subject / "anat").is_dir():
                if not without_sessions:
                    raise SelectionError(
                        f"{subject}: images outside of sessions, which Clinica does not take; put "
                        "them into a folder ses-<label>, and ses-<label> into their names"
                    )
                self.visits.append(Visit(subject.name, ""))
            sessions = _subfolders(subject, "ses-")
            self.visits += [Visit(subject.name, session.name) for session in sessions]

    def t1w(self, visit: Visit, kinds: Mapping[str, str | None] = NO_KINDS) -> list[T1w]:
        """List the T1w of a visit, sorted by name.

        Parameters
        ----------
        visit
            Participant and session.
        kinds
            Kinds by file name, :data:`T1CE` or :data:`T1NCE`, that overrule the metadata.

        Raises
        ------
        SelectionError
            If a sidecar or ``scans.tsv`` cannot be read, or says something that is not known.
        """
        anat = self.root / visit.subject / visit.session / "anat"
        paths = sorted(anat.iterdir()) if anat.is_dir() else []
        return [self._t1w(visit, path, kinds.get(path.name)) for path in paths if is_t1w(path.name)]

    def evidence(self, visit: Visit, image: Path) -> str | None:
        """Say what shows that an image is contrast-enhanced, as :mod:`contrast_agents` does.

        Raises
        ------
        SelectionError
            As :meth:`t1w`.
        """
        return self._t1w(visit, image).evidence

    def _t1w(self, visit: Visit, path: Path, kind: str | None = None) -> T1w:
        try:
            image = self._as_said(visit, path)
        except AgentWordError:
            if kind is None:
                raise
            image = T1w(visit, path, None)
        if kind in (None, image.kind):
            return image
        return replace(image, evidence=BY_TSV if kind == T1CE else None)

    def _as_said(self, visit: Visit, path: Path) -> T1w:
        """Read what name and metadata say."""
        label = contrast_label(path.name)
        if label is not None and contrast_agents.label_meaning(label, self.words) != "nothing":
            return T1w(visit, path, contrast_agents.find_evidence(path.name, {}, words=self.words))
        metadata = self.metadata(path)
        evidence = contrast_agents.find_evidence(
            path.name, metadata, self.scans_row(visit, path.name), self.words
        )
        found = (
            contrast_agents.find_agent(metadata.get(field)) for field in contrast_agents.FIELDS
        )
        return T1w(visit, path, evidence, next(filter(None, found), None))

    @staticmethod
    def scans_name(visit: Visit) -> Path:
        """Say where, from the root, the ``scans.tsv`` of a visit belongs."""
        return Path(*visit, f"{'_'.join(filter(None, visit))}_scans.tsv")

    def scans_path(self, visit: Visit) -> Path:
        """Say where the ``scans.tsv`` of a visit belongs."""
        return self.root / self.scans_name(visit)

    @staticmethod
    def own_sidecar(image: Path) -> Path:
        """Say where the sidecar of an image belongs."""
        return image.with_name(f"{stem(image.name)}.json")

    def scans(self, visit: Visit) -> dict[str, Cells]:
        """Read the rows of ``scans.tsv`` by file name; none where there is no such table.

        Raises
        ------
        SelectionError
            If it cannot be read, or lists a file twice.
        """
        return _read_scans(self.scans_path(visit))

    def scans_row(self, visit: Visit, name: str) -> Cells:
        """Give what ``scans.tsv``, of the participant and of the visit, say of an image.

        Raises
        ------
        SelectionError
            As :meth:`scans`.
        """
        of_subject = self.root / visit.subject / f"{visit.subject}_scans.tsv"
        within = f"{visit.session}/" if visit.session else ""
        tables = ((of_subject, within), (self.scans_path(visit), ""))
        found: Cells = {}
        for path, folder in tables:
            wanted = f"{folder}anat/{name}"
            rows = _read_scans(path)
            # An image may have been compressed since.
            same = (row for key, row in rows.items() if stem(key) == stem(wanted))
            found |= rows.get(wanted) or next(same, {})
        return found

    def sidecars(self, image: Path) -> list[Path]:
        """List the JSON files that describe an image by BIDS's inheritance, the farthest first.

        One that lies beside an image of its own name describes that image only: by the letter of
        BIDS, the sidecar of ``sub-01_T1w`` would describe ``sub-01_ce-gd_T1w`` as well.
        """
        own = entities(image.name)
        kind = suffix(image.name)
        below = [folder for folder in (*image.parents[2::-1],) if folder != self.root]
        levels = [self._root_sidecars, *(sorted(folder.glob("*.json")) for folder in below)]
        found = []
        for level in levels:
            apply = [
                path
                for path in level
                if suffix(path.name) == kind
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


def _read_scans(path: Path) -> dict[str, Cells]:
    if not is_there(path):
        return {}
    rows = read_unique(path, "filename")
    return {PurePosixPath(name.replace("\\", "/")).as_posix(): row for (name,), row in rows.items()}


def _has_image(sidecar: Path) -> bool:
    return any(sidecar.with_suffix(extension).exists() for extension in IMAGE_EXTENSIONS)


def _subfolders(parent: Path, prefix: str) -> list[Path]:
    try:
        return sorted(
            path for path in parent.iterdir() if path.name.startswith(prefix) and path.is_dir()
        )
    except OSError as error:
        raise SelectionError(
            f"{parent}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error
