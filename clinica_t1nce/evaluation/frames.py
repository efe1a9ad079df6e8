"""Tables of all pairs, in long form, from the record of each; and the comparisons between methods.

A record is what is known of one evaluated pair, as it is kept in JSON::

    {"participant_id": "sub-01", "session_id_t1ce": ..., "session_id_t1nce": ..., "quality": "low",
     "images": ["T1ce", "model-a"],
     "similarity": {"rigid": [{"mae": ...}, ...], "none": [...]},
     "segmentations": {"atropos": {
         "volumes": [{"GM": ...}, ...],
         "tiv": 1480.2,
         "dice": {"rigid": [{"GM": ...}, ...]},
         "noise_floor": {"images": ["moved 0.5 mm", ...], "volumes": [...], "dice": [...]}}}}

Lists follow ``images``; ``volumes`` has the T1nce before them, and ``tiv`` is all that is labelled
in it, cm3 (where it is not given, the sum of its volumes). ``noise_floor``, which may be
missing, holds the T1nce segmented again with small changes. The keys of ``similarity`` and
``dice`` say how the pair was aligned.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clinica_t1nce.evaluation.statistics import bonferroni, compare_paired
from clinica_t1nce.evaluation.volumes import volume_difference
from clinica_t1nce.files.text import read_json

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "T1ce"
"""What models are compared with."""

PAIR = ("participant_id", "session_id_t1ce", "session_id_t1nce", "quality")
SMOOTH = "_smooth"
GOOD, MEDIUM, LOW = QUALITIES = ("good", "medium", "low")

ALL, TEST_GOOD, TEST_LOW = "all", "test_good", "test_low"
"""Sets of pairs: every one; the paper's Test_good, whose T1ce is of good or medium quality; its
Test_low, whose T1ce is of low quality."""

SIMILARITY: dict[str, tuple[str, ...]] = {
    SMOOTH: ("mae_smooth", "psnr_smooth", "ssim_smooth", "pcc", "nmi"),
    **{
        variant: tuple(f"{name}{variant}" for name in ("mae", "psnr", "ssim"))
        for variant in ("", "_matched", "_authors")
    },
}
"""Measures of similarity, by what is done to the images first; each set is tested on its own."""

RECOVERY: dict[str, tuple[str, ...]] = {
    SMOOTH: (
        *("total", "share_smooth", "attainable", "inside_smooth", "outside_smooth", "left"),
        *("bias", "bias_csf", "bias_gm", "bias_wm", "sharpness_smooth"),
    ),
    "": ("error", "share", "inside", "outside", "sharpness"),
}
"""Measures of what is gone of the enhancement, after the smooth fit and after a linear one."""

_VOLUMES = ("segmentation", "image", "tissue", "volume", "volume_t1nce", "tiv_t1nce", "vd", "avd")
_COLUMNS = {
    "similarity": ("alignment", "image"),
    "volumes": _VOLUMES,
    "dice": ("segmentation", "alignment", "image", "tissue", "dice"),
    "noise_floor": (*_VOLUMES, "dice"),
}


def collect(records: Iterable[Mapping[str, Any]]) -> "dict[str, pd.DataFrame]":
    """Put the records of pairs into tables.

    Parameters
    ----------
    records
        Records of pairs, as above.

    Returns
    -------
    dict
        ``similarity`` (one row a pair, alignment and image), ``volumes`` (one a pair,
        segmentation, image and tissue; VD and AVD by equations 3b and 3a, with the mean TIV of
        the T1nce of all pairs), ``dice`` (one a pair, segmentation, alignment, image and tissue)
        and ``noise_floor`` (one a pair, segmentation, change and tissue). Tables without a row
        have their columns all the same.
    """
    import pandas as pd

    known = list(records)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _COLUMNS}
    tivs: dict[str, list[float]] = {}
    for record in known:
        for name, found in record.get("segmentations", {}).items():
            tivs.setdefault(name, []).append(_tiv(found))
    for record in known:
        pair = {key: record.get(key) for key in PAIR}
        for alignment, images in record.get("similarity", {}).items():
            for image, measures in zip(record["images"], images, strict=True):
                found = {"alignment": alignment, "image": image, **measures}
                rows["similarity"].append(pair | found)
        for name, found in record.get("segmentations", {}).items():
            mean_tiv = sum(tivs[name]) / len(tivs[name])
            _add_segmentation(
                rows, pair | {"segmentation": name}, found, record["images"], mean_tiv
            )
    return {
        name: pd.DataFrame(found, columns=None if found else [*PAIR, *_COLUMNS[name]])
        for name, found in rows.items()
    }


def _add_segmentation(
    rows: dict[str, list[dict[str, Any]]],
    key: Mapping[str, Any],
    found: Mapping[str, Any],
    images: Sequence[str],
    mean_tiv: float,
) -> None:
    """Add what one segmentation says of a pair to the rows of the tables."""
    for alignment, scored in found["dice"].items():
        for image, scores in zip(images, scored, strict=True):
            rows["dice"] += [
                {**key, "alignment": alignment, "image": image, "tissue": tissue, "dice": score}
                for tissue, score in scores.items()
            ]
    tiv, (reference, *others) = _tiv(found), found["volumes"]
    for image, volumes in zip(images, others, strict=True):
        measured = _volume_rows(image, volumes, reference, tiv, mean_tiv)
        rows["volumes"] += [{**key, **row} for row in measured]
    for image, volumes, scores in _noise_floor(found):
        measured = _volume_rows(image, volumes, reference, tiv, mean_tiv)
        rows["noise_floor"] += [{**key, **row, "dice": scores[row["tissue"]]} for row in measured]


def _tiv(record: Mapping[str, Any]) -> float:
    return float(record.get("tiv") or sum(record["volumes"][0].values()))


def _noise_floor(record: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    floor = record.get("noise_floor")
    return zip(floor["images"], floor["volumes"], floor["dice"], strict=True) if floor else ()


def _volume_rows(
    image: str,
    volumes: Mapping[str, float],
    reference: Mapping[str, float],
    tiv: float,
    mean_tiv: float,
) -> Iterable[dict[str, Any]]:
    differences = volume_difference(reference, volumes, tiv, mean_tiv)
    for tissue, difference in differences.items():
        yield {
            "image": image,
            "tissue": tissue,
            "volume": volumes[tissue],
            "volume_t1nce": reference[tissue],
            "tiv_t1nce": tiv,
            "vd": difference,
            "avd": abs(difference),
        }


def compare_methods(frames: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """Test each model against the T1ce, and the best one against the others, set by set.

    Families of the Bonferroni correction, each within one set of pairs, segmentation and alignment:
    all models x (MAE, PSNR, SSIM) against the T1ce; the model of the smallest mean MAE against
    each other model x the three; all models x tissues of AVD; all models x tissues of Dice. The
    three measures form a family of their own after the smooth fit (there with PCC and NMI), as
    they are, matched, and as the authors compute them.

    Parameters
    ----------
    frames
        Tables of :func:`collect`.

    Returns
    -------
    pandas.DataFrame
        One row a comparison: ``table``, ``set``, ``segmentation``, ``alignment``, ``measure``,
        ``tissue``, ``image``, ``compared_with``, the fields of
        :class:`clinica_t1nce.evaluation.statistics.Comparison`, ``n_comparisons`` and
        ``p_bonferroni``.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for name in ("similarity", "volumes", "dice"):
        frame = frames[name]
        if frame.empty:
            continue
        keys = [key for key in ("segmentation", "alignment") if key in frame]
        for values, part in frame.groupby(keys, sort=False):
            found = dict(zip(keys, values, strict=True))
            for set_name, members in by_set(part).items():
                common: dict[str, Any] = {"table": name, "set": set_name}
                common |= {key: found.get(key) for key in ("segmentation", "alignment")}
                for family in _families(name, members):
                    rows += [common | row for row in family]
    return pd.DataFrame(rows)


def _families(name: str, frame: "pd.DataFrame") -> Iterable[list[dict[str, Any]]]:
    models = [image for image in frame["image"].unique() if image != BASELINE]
    if name != "similarity":
        measure = "avd" if name == "volumes" else "dice"
        tissues = list(frame["tissue"].unique())
        yield _family(frame, [(m, BASELINE, measure, t) for m in models for t in tissues])
        return
    for measures in SIMILARITY.values():
        if not set(measures) <= set(frame.columns):
            continue
        yield _family(frame, [(m, BASELINE, each, None) for m in models for each in measures])
        if len(models) > 1:
            means = frame[frame["image"].isin(models)].groupby("image")[measures[0]].mean()
            best = means.idxmin()
            others = [model for model in models if model != best]
            yield _family(frame, [(best, m, each, None) for m in others for each in measures])


def _family(
    frame: "pd.DataFrame", comparisons: Sequence[tuple[str, str, str, str | None]]
) -> list[dict[str, Any]]:
    rows = []
    for image, other, measure, tissue in comparisons:
        part = frame if tissue is None else frame[frame["tissue"] == tissue]
        wide = part.pivot(index=list(PAIR[:3]), columns="image", values=measure)
        found = compare_paired(wide[image].to_numpy(), wide[other].to_numpy())
        rows.append(
            {"measure": measure, "tissue": tissue, "image": image, "compared_with": other}
            | asdict(found)
            | {
                "n_comparisons": len(comparisons),
                "p_bonferroni": bonferroni(found.p, len(comparisons)),
            }
        )
    return rows


def quality_of(contrast: int, motion: int, noise: int) -> str:
    """Make one label of three grades (the paper's section 2).

    Parameters
    ----------
    contrast, motion, noise
        Grades: 0 (good contrast; none), 1 (medium; some) or 2 (bad; severe).

    Returns
    -------
    str
        Label, ``"low"`` with any grade 2, else ``"medium"`` with any grade 1, else ``"good"``.

    Raises
    ------
    ValueError
        If a grade is none of these.

    Examples
    --------
    >>> quality_of(0, 0, 0), quality_of(0, 1, 0), quality_of(1, 0, 2)
    ('good', 'medium', 'low')
    """
    grades = (contrast, motion, noise)
    if not set(grades) <= {0, 1, 2}:
        raise ValueError(f"grades {grades}: each is 0, 1 or 2")
    return QUALITIES[max(grades)]


def strata(qualities: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Divide pairs into the sets that are reported apart.

    Parameters
    ----------
    qualities
        Quality of each pair's T1ce, one of :data:`QUALITIES`, or None if unknown.

    Returns
    -------
    dict
        Name of the set to a boolean for each pair; :data:`ALL` first. Sets without a pair are
        left out; pairs of unknown quality are in :data:`ALL` only.
    """
    known = np.array([quality or "" for quality in qualities], dtype=object)
    low = known == LOW
    found = {
        ALL: np.ones(len(known), bool),
        TEST_GOOD: (known == GOOD) | (known == MEDIUM),
        TEST_LOW: low,
    }
    return {name: members for name, members in found.items() if members.any()}


def by_set(frame: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """Divide a table that has a column ``quality`` into the sets of :func:`strata`."""
    qualities = [quality if isinstance(quality, str) else None for quality in frame["quality"]]
    return {name: frame[members] for name, members in strata(qualities).items()}


@cache
def _dictionary() -> dict[str, dict[str, str]]:
    return read_json(Path(__file__).with_name("columns.json"))


def describe(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Make the data dictionary of a table: ``Description`` and, if any, ``Units`` by column.

    Raises
    ------
    KeyError
        If a column is unknown.
    """
    return {column: _dictionary()[column] for column in columns}
