"""Measures of models on real pairs of T1ce and T1nce, and a picture of each.

    python benchmarks/real_pairs.py CAPS PAIRS_TSV --model NAME|FILE [--model ...] [--out DIR]
                                    [--blend replace|change ...]
                                    [--volumes [--judge atropos|gaussians]]
    python benchmarks/real_pairs.py --pairs FILES_TSV [--split validation] --model ...

CAPS holds the crops of t1-linear. PAIRS_TSV has the columns participant_id, session_id_t1nce and
session_id_t1ce; a column `sharp` with the value `both` marks the pairs of the second mean.
FILES_TSV has the columns t1ce, t1nce (skull-stripped files on one grid, relative to the table)
and split; columns `name` and `sharp` may be there. README.md beside this file says what the
columns of the table mean.
"""

import argparse
import csv
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.bids.pairs import read_usable
from clinica_t1nce.caps.query import find_pair
from clinica_t1nce.errors import SelectionError, T1nceError
from clinica_t1nce.evaluation.agreement import measure_agreement
from clinica_t1nce.evaluation.brain_masks import brain_mask
from clinica_t1nce.evaluation.recovery import measure_recovery, prepare_pair
from clinica_t1nce.evaluation.registration import align_images
from clinica_t1nce.evaluation.segmentation import segment, template_priors
from clinica_t1nce.evaluation.smooth_recovery import (
    CLASSES,
    SmoothPair,
    classify_tissues,
    measure_smooth_recovery,
    prepare_smooth_pair,
)
from clinica_t1nce.evaluation.volumes import TISSUES, dice, measure_volumes
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.files.nifti import CROP_SHAPE, CROP_ZOOMS, Image
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.report.figures import draw_participant

PERFECT = "perfect removal"
"""Name of the rows that say how near volumes would come if all enhancement were gone."""

FITTED = "fitted T1nce"
"""Name of the rows that say how near they come of the T1nce itself, in the T1ce's contrast."""

Method = Callable[[Image], np.ndarray]
"""Makes the synthetic T1nce of a T1ce, on its grid."""

Row = dict[str, Any]
"""One line of the table: pair, method, sharp and the columns of TITLES that were measured."""

ALIGNMENT_VERSION = "1"
"""Part of the names of the cached alignments: a change makes them anew."""

SEGMENTATION_VERSION = "1"
"""The same for the cached segmentations."""

TITLES: dict[str, tuple[str, int]] = {
    "total": ("total", 3),
    "oracle": ("oracle", 3),
    "share": ("share", 2),
    "attainable": ("attainable", 2),
    "inside": ("inside", 3),
    "outside": ("outside", 3),
    "left": ("left", 3),
    "bias": ("bias", 3),
    "bias_csf": ("CSF", 3),
    "bias_gm": ("GM", 3),
    "bias_wm": ("WM", 3),
    "sharpness": ("sharpness", 3),
    "t1nce_change": ("T1nce in", 2),
    "seconds": ("s", 1),
    **{f"vd_{tissue.lower()}": (f"VD {tissue} %", 1) for tissue in TISSUES},
    **{f"avd_{tissue.lower()}": (f"AVD {tissue}", 1) for tissue in TISSUES},
    **{f"dice_{tissue.lower()}": (f"Dice {tissue}", 3) for tissue in TISSUES},
    "linear_error_t1ce": ("linear: T1ce", 2),
    "linear_error_oracle": ("oracle", 2),
    "linear_error_synthetic": ("synthetic", 2),
    "linear_share": ("share", 2),
    "linear_inside": ("inside", 2),
    "linear_outside": ("outside", 2),
    "linear_sharpness": ("sharpness", 2),
}
"""Columns in their order: title in the printed table, and digits there."""


@dataclass(frozen=True)
class RealPair:
    """The images of one visit, and the T1nce brought to the T1ce's grid."""

    name: str
    sharp: bool
    t1ce: Image
    t1nce: Image
    aligned: np.ndarray
    brain: np.ndarray
    t1nce_brain: np.ndarray
    in_mni: bool = True


def change_of_t1nce(given: np.ndarray, returned: np.ndarray, brain: np.ndarray | None) -> float:
    """Measure the mean change of an image that was to be left alone, % of its range."""
    mask = ndimage.binary_erosion(given > 0 if brain is None else brain)
    value_range = np.percentile(given[mask], 99.5) - given[mask].min()
    return float(100 / value_range * np.abs(returned - given, dtype=np.float64)[mask].mean())


def nothing(t1ce: Image) -> np.ndarray:
    return t1ce.data


def grey_opening(t1ce: Image) -> np.ndarray:
    return ndimage.grey_opening(t1ce.data, size=3)


def replaced(t1ce: np.ndarray, pair: SmoothPair, where: np.ndarray) -> np.ndarray:
    """Put the T1nce, as the T1ce's scan would show it, in place of some voxels of the pair."""
    image = t1ce.copy()
    image[pair.box][where] = pair.unit * pair.fitted[where]
    return image


def model(name: str, device: str, blend: str | None = None) -> tuple[str, Method]:
    """Load a model; shipped ones go by the name in their card, files by the file's."""
    from clinica_t1nce.synthesis.synthesizer import Synthesizer

    synthesizer = Synthesizer.load(name, device=device, blend=blend or "replace")
    label = Path(name).stem if Path(name).is_file() else synthesizer.card.name
    if blend is not None:
        label += f" ({blend})"
    return label, lambda t1ce: synthesizer(t1ce.data, t1ce.affine).image


def align(t1nce: Image, t1ce: Image, brain: np.ndarray, cache: Path) -> np.ndarray:
    key = hashlib.sha256(ALIGNMENT_VERSION.encode())
    for image in (t1nce, t1ce):
        key.update(image.data.tobytes())
        key.update(image.affine.tobytes())
    name = t1nce.path.name.removesuffix(".nii.gz")
    path = cache / f"{name}_aligned-{key.hexdigest()[:12]}.nii.gz"
    if not path.exists():
        found = align_images(t1nce.data, t1nce.affine, t1ce.data, t1ce.affine, mask=brain)
        cache.mkdir(parents=True, exist_ok=True)
        nifti.save(path, found.image, t1ce)
    return nifti.load(path).data


class Tissues:
    """Segments the images of a pair in one mask: that of the T1ce and the aligned T1nce."""

    def __init__(self, pair: RealPair, cache: Path, judge: str = "atropos"):
        self._pair = pair
        self._cache = cache
        self._judge = judge
        self._priors: np.ndarray | None = None
        self._reference = self._labels(pair.aligned)

    def measure(self, volume: np.ndarray) -> dict[str, float]:
        """Compare with the T1nce: difference of volumes, % and absolute in cm3, and Dice."""
        labels, affine = self._labels(volume), self._pair.t1ce.affine
        real, found = (measure_volumes(each, affine) for each in (self._reference, labels))
        overlap = dice(self._reference, labels)
        measures = {}
        for name in TISSUES:
            difference = found[name] - real[name]
            measures[f"vd_{name.lower()}"] = 100 * difference / real[name]
            measures[f"avd_{name.lower()}"] = abs(difference)
            measures[f"dice_{name.lower()}"] = overlap[name]
            measures[f"volume_{name.lower()}"] = found[name]
            measures[f"reference_{name.lower()}"] = real[name]
        return measures

    def keep(self, images: dict[str, np.ndarray]) -> None:
        """Keep label maps where the option ``--segmentation labels:`` of the command finds them.

        The T1nce's is that of the aligned image: the command must not align it (``--align none``).
        """
        pair = self._pair
        labels = {name: self._labels(image) for name, image in images.items()}
        for name, found in {"T1nce": self._reference, **labels}.items():
            path = self._cache / self._judge / name / f"{pair.name}_dseg.nii.gz"
            nifti.save(path, found, pair.t1ce, dtype=np.uint8)

    def _labels(self, volume: np.ndarray) -> np.ndarray:
        pair = self._pair
        if self._judge == "gaussians":
            found = classify_tissues(volume, pair.brain)
            return np.array([0, *(TISSUES[name.upper()] for name in CLASSES)])[found]
        key = hashlib.sha256(SEGMENTATION_VERSION.encode())
        for array in (volume, pair.brain, pair.t1ce.affine):
            key.update(np.ascontiguousarray(array).tobytes())
        path = self._cache / f"{pair.name}_{key.hexdigest()[:12]}_dseg.nii.gz"
        if not path.exists():
            if self._priors is None:
                to_mni = np.eye(4) if pair.in_mni else transform_to_mni(pair)
                self._priors = template_priors(pair.brain.shape, to_mni @ pair.t1ce.affine)
            found = segment(volume, pair.t1ce.affine, pair.brain, self._priors)
            nifti.save(path, found.labels, pair.t1ce, dtype=np.uint8)
        return nifti.load(path).data


def transform_to_mni(pair: RealPair) -> np.ndarray:
    """Find where the points of a brain (mm) lie in MNI space, by an affine registration."""
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=1)
    brain = np.asarray(template.dataobj, dtype=np.float32)
    t1nce = np.where(pair.brain, pair.aligned, 0)
    return align_images(
        brain, template.affine, t1nce, pair.t1ce.affine, mask=pair.brain, kind="affine"
    ).transform


def load_pairs(caps: Path, pairs_tsv: Path, cache: Path) -> Iterator[RealPair]:
    rows, problems = read_usable(pairs_tsv)
    if problems:
        raise SelectionError(next(iter(problems.values())))
    for row, cells in rows:
        found = find_pair(caps, row)
        t1ce, t1nce = (
            nifti.load(path, shape=CROP_SHAPE, zooms=CROP_ZOOMS)
            for path in (found.t1ce, found.t1nce)
        )
        brain, t1nce_brain = (
            brain_mask(image.data, image.affine, "template")[0] for image in (t1ce, t1nce)
        )
        aligned = align(t1nce, t1ce, brain, cache)
        brain &= aligned > 0
        sharp = cells.get("sharp") == "both"
        yield RealPair(row.subject, sharp, t1ce, t1nce, aligned, brain, t1nce_brain)


def load_files(table: Path, split: str) -> Iterator[RealPair]:
    rows = read_rows(table, required=("t1ce", "t1nce", "split"))
    chosen = [cells for cells in rows if cells["split"] == split]
    if not chosen:
        raise SelectionError(f"{table}: no row of the split {split}; choose another with --split")
    for cells in chosen:
        t1ce, t1nce = (nifti.load(table.parent / cells[name]) for name in ("t1ce", "t1nce"))
        if t1ce.data.shape != t1nce.data.shape or not np.allclose(t1ce.affine, t1nce.affine):
            raise SelectionError(f"{t1nce.path}: not on the grid of {t1ce.path}; resample it")
        brains = [image.data > 0 for image in (t1ce, t1nce)]
        name = cells.get("name") or t1ce.path.name.removesuffix(".nii.gz")
        sharp = cells.get("sharp") == "both"
        yield RealPair(
            name, sharp, t1ce, t1nce, t1nce.data, brains[0] & brains[1], brains[1], in_mni=False
        )


def make(method: Method, pair: RealPair) -> tuple[np.ndarray, float, float]:
    """Return the synthetic image, the change of the T1nce, and the seconds that the first took."""
    start = time.perf_counter()
    synthetic = method(pair.t1ce)
    seconds = time.perf_counter() - start
    change = change_of_t1nce(pair.t1nce.data, method(pair.t1nce), pair.t1nce_brain)
    return synthetic, change, seconds


def evaluate(
    pairs: Iterator[RealPair],
    methods: dict[str, Method],
    pictures: Path | None = None,
    segmentations: Path | None = None,
    judge: str = "atropos",
) -> list[Row]:
    """Measure every method on every pair; draw those that are no baseline.

    Tissue volumes are measured if there is a folder for the segmentations.
    """
    rows = []
    for pair in pairs:
        smooth = prepare_smooth_pair(pair.t1ce.data, pair.aligned, pair.brain)
        linear = prepare_pair(pair.t1ce.data, pair.aligned, pair.brain)
        tissues = Tissues(pair, segmentations, judge) if segmentations else None
        made = {name: make(method, pair) for name, method in methods.items()}
        if tissues and judge == "gaussians":
            images = {name: image for name, (image, *_) in made.items()}
            tissues.keep({"T1ce": images.pop("nothing"), **images})
        if tissues:
            for name, where in ((PERFECT, smooth.enhancing), (FITTED, smooth.mask)):
                made[name] = replaced(pair.t1ce.data, smooth, where), 0.0, 0.0
        for name, (synthetic, change, seconds) in made.items():
            measures = asdict(measure_smooth_recovery(smooth, synthetic))
            old = asdict(measure_recovery(linear, synthetic))
            measures |= {"t1nce_change": change, "seconds": seconds}
            measures |= tissues.measure(synthetic) if tissues else {}
            measures |= {f"linear_{key}": value for key, value in old.items()}
            rows.append({"pair": pair.name, "method": name, "sharp": pair.sharp, **measures})
            print(f"{pair.name} {name}: share {measures['share']:.2f}", flush=True)
            if pictures and methods.get(name) not in (None, nothing, grey_opening):
                draw_participant(
                    pictures / f"{pair.name}_model-{name}.png",
                    pair.t1ce.data,
                    synthetic,
                    pair.aligned,
                    affine=pair.t1ce.affine,
                    brain=pair.brain,
                    title=f"{pair.name}   {name}   share {measures['share']:.2f}",
                )
    return rows


def means(rows: Sequence[Row], label: str) -> list[Row]:
    """Average each method over the pairs."""
    averaged = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        values = {key: fmean(row[key] for row in own) for key in TITLES if key in own[0]}
        averaged.append({"pair": f"{label} ({len(own)})", "method": name, "sharp": True, **values})
    return averaged


def markdown(rows: Sequence[Row]) -> str:
    shown = {name: format_ for name, format_ in TITLES.items() if name in rows[0]}
    titles = ["pair", "method", *(title for title, _ in shown.values())]
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "---:|" * len(shown)]
    for row in rows:
        values = (f"{row[name]:.{digits}f}" for name, (_, digits) in shown.items())
        lines.append(f"| {row['pair']} | {row['method']} | {' | '.join(values)} |")
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> list[Row]:
    """Add the means: of all pairs, and of those sharp on both sides."""
    sharp = [row for row in rows if row["sharp"]]
    return [*rows, *means(sharp, "mean of the sharp"), *means(rows, "mean of all")]


def agreement(rows: Sequence[Row]) -> str:
    """Say how volumes agree with the T1nce's over the sharp pairs, in Markdown."""
    lines = ["| tissue | image | bias % | 95 % interval | limits % | absolute, cm³ | Dice |"]
    lines.append("|---|---" + "|---:" * 5 + "|")
    for tissue in map(str.lower, TISSUES):
        for method in dict.fromkeys(row["method"] for row in rows):
            own = [row for row in rows if row["method"] == method and row["sharp"]]
            volumes, real = ([r[f"{k}_{tissue}"] for r in own] for k in ("volume", "reference"))
            found = measure_agreement(volumes, real)
            absolute, overlap = (fmean(r[f"{k}_{tissue}"] for r in own) for k in ("avd", "dice"))
            cells = [
                f"{found.bias:+.1f}",
                f"{found.bias_low:+.1f} to {found.bias_high:+.1f}",
                f"{found.limit_low:+.1f} to {found.limit_high:+.1f}",
                f"{absolute:.1f} | {overlap:.3f}",
            ]
            lines.append(f"| {tissue.upper()} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_tsv(path: Path, rows: Sequence[Row]) -> None:
    with atomic.temporary(path) as part, part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("caps", type=Path, nargs="?")
    parser.add_argument("pairs_tsv", type=Path, nargs="?")
    parser.add_argument("--pairs", type=Path, metavar="FILES_TSV")
    parser.add_argument("--split", default="validation", help="rows of FILES_TSV (%(default)s)")
    parser.add_argument("--model", action="append", dest="models", metavar="NAME|FILE")
    parser.add_argument("--out", type=Path, default=Path("real_pairs"))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--blend",
        action="append",
        dest="blends",
        choices=("replace", "change"),
        help="how models of whole images come back to the crop's grid; twice to compare both",
    )
    parser.add_argument(
        "--volumes",
        action="store_true",
        help="segment gray matter, white matter and CSF as well: a minute or more an image, "
        "kept in OUT/segmented for the next run",
    )
    parser.add_argument(
        "--judge",
        default="atropos",
        choices=("atropos", "gaussians"),
        help="with --volumes: what segments (%(default)s); gaussians, a mixture of three fitted to "
        "the intensities, knows neither neighbours nor priors; its label maps, in "
        "OUT/segmented/gaussians, are laid out for the command that evaluates",
    )
    arguments = parser.parse_args()
    if (arguments.pairs is None) != (arguments.pairs_tsv is not None):
        parser.error("give CAPS and PAIRS_TSV, or --pairs")
    try:
        methods: dict[str, Method] = {"nothing": nothing, "grey opening": grey_opening}
        methods.update(
            model(name, arguments.device, blend)
            for name in arguments.models or ["default"]
            for blend in arguments.blends or [None]
        )
        if arguments.pairs is None:
            pairs = load_pairs(arguments.caps, arguments.pairs_tsv, arguments.out / "aligned")
        else:
            pairs = load_files(arguments.pairs, arguments.split)
        segmentations = arguments.out / "segmented" if arguments.volumes else None
        rows = evaluate(pairs, methods, arguments.out, segmentations, arguments.judge)
        write_tsv(arguments.out / "real_pairs.tsv", rows)
    except T1nceError as error:
        parser.exit(1, f"{error}\n")
    table = markdown(summary(rows))
    if arguments.volumes and any(row["sharp"] for row in rows):
        table += f"\n\n{agreement(rows)}"
    (arguments.out / "real_pairs.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
