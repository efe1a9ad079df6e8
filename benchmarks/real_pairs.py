"""Measures of models on real pairs of T1ce and T1nce, and a picture of each.

    python benchmarks/real_pairs.py CAPS PAIRS_TSV --model NAME|FILE [--model ...] [--out DIR]
                                    [--blend replace|change ...] [--volumes]

CAPS holds the crops of t1-linear. PAIRS_TSV has the columns participant_id, session_id_t1nce and
session_id_t1ce; a column `sharp` with the value `both` marks the pairs of the second mean.
README.md beside this file says what the columns of the table mean.
"""

import argparse
import csv
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import ndimage

from clinica_t1nce.caps.names import CROP_ENDING
from clinica_t1nce.errors import SelectionError, T1nceError
from clinica_t1nce.evaluation.brain_masks import nonzero_mask, template_mask
from clinica_t1nce.evaluation.recovery import change_of_t1nce, compare, prepare_pair
from clinica_t1nce.evaluation.registration import align_images
from clinica_t1nce.evaluation.segmentation import segment, template_priors
from clinica_t1nce.evaluation.volumes import TISSUES, dice, measure_volumes
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.files.nifti import CROP_SHAPE, CROP_ZOOMS, Image
from clinica_t1nce.report.figures import draw_participant
from clinica_t1nce.volumes.grids import is_skull_stripped

Method = Callable[[Image], np.ndarray]
"""Makes the synthetic T1nce of a T1ce, on its grid."""

ALIGNMENT_VERSION = "1"
"""Part of the names of the cached alignments: a change makes them anew."""

SEGMENTATION_VERSION = "1"
"""The same for the cached segmentations."""


@dataclass(frozen=True)
class RealPair:
    """The crops of one visit, and the T1nce brought to the T1ce's grid."""

    participant: str
    sharp: bool
    t1ce: Image
    t1nce: Image
    aligned: np.ndarray
    brain: np.ndarray
    t1nce_brain: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    participant: str
    method: str
    sharp: bool
    error_t1ce: float
    error_oracle: float
    error_synthetic: float
    share: float
    inside: float
    outside: float
    sharpness: float
    t1nce_change: float
    seconds: float
    avd_gm: float = math.nan
    avd_wm: float = math.nan
    avd_csf: float = math.nan
    dice_gm: float = math.nan
    dice_wm: float = math.nan
    dice_csf: float = math.nan


MEASURES = tuple(field.name for field in fields(Row) if field.type is float)
VOLUMES = MEASURES[-6:]


def nothing(t1ce: Image) -> np.ndarray:
    return t1ce.data


def grey_opening(t1ce: Image) -> np.ndarray:
    return ndimage.grey_opening(t1ce.data, size=3)


def model(name: str, device: str, blend: str | None = None) -> tuple[str, Method]:
    """Load a model; shipped ones go by the name in their card, files by the file's."""
    from clinica_t1nce.synthesis.synthesizer import Synthesizer

    synthesizer = Synthesizer.load(name, device=device, blend=blend or "replace")
    label = Path(name).stem if Path(name).is_file() else synthesizer.card.name
    if blend is not None:
        label += f" ({blend})"
    return label, lambda t1ce: synthesizer(t1ce.data, t1ce.affine).image


def find_crop(caps: Path, participant: str, session: str) -> Path:
    folder = caps / "subjects" / participant / session / "t1_linear"
    crops = sorted(folder.glob(f"*{CROP_ENDING}"))
    if len(crops) != 1:
        raise SelectionError(f"{folder}: {len(crops)} crops of t1-linear, not one; check the TSV")
    return crops[0]


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

    def __init__(self, pair: RealPair, cache: Path):
        self._pair = pair
        self._cache = cache
        self._priors: np.ndarray | None = None
        self._reference = self._labels(pair.aligned)

    def measure(self, volume: np.ndarray) -> dict[str, float]:
        """Compare with the T1nce: absolute difference of volumes, cm3, and Dice."""
        labels, affine = self._labels(volume), self._pair.t1ce.affine
        real, found = (measure_volumes(each, affine) for each in (self._reference, labels))
        overlap = dice(self._reference, labels)
        return {
            **{f"avd_{name.lower()}": abs(real[name] - found[name]) for name in TISSUES},
            **{f"dice_{name.lower()}": overlap[name] for name in TISSUES},
        }

    def _labels(self, volume: np.ndarray) -> np.ndarray:
        pair = self._pair
        key = hashlib.sha256(SEGMENTATION_VERSION.encode())
        for array in (volume, pair.brain, pair.t1ce.affine):
            key.update(np.ascontiguousarray(array).tobytes())
        path = self._cache / f"{pair.participant}_{key.hexdigest()[:12]}_dseg.nii.gz"
        if not path.exists():
            if self._priors is None:
                self._priors = template_priors(pair.brain.shape, pair.t1ce.affine)
            found = segment(volume, pair.t1ce.affine, pair.brain, self._priors)
            nifti.save(path, found.labels, pair.t1ce, dtype=np.uint8)
        return nifti.load(path).data


def brain_of(image: Image) -> np.ndarray:
    if is_skull_stripped(image.data):
        return nonzero_mask(image.data)
    return template_mask(image.data.shape, image.affine)


def load_pairs(caps: Path, pairs_tsv: Path, cache: Path) -> Iterator[RealPair]:
    with pairs_tsv.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in rows:
        participant = row["participant_id"]
        t1ce, t1nce = (
            nifti.load(
                find_crop(caps, participant, row[f"session_id_{contrast}"]),
                shape=CROP_SHAPE,
                zooms=CROP_ZOOMS,
            )
            for contrast in ("t1ce", "t1nce")
        )
        brain = brain_of(t1ce)
        aligned = align(t1nce, t1ce, brain, cache)
        yield RealPair(
            participant,
            row.get("sharp") == "both",
            t1ce,
            t1nce,
            aligned,
            brain & (aligned > 0),
            brain_of(t1nce),
        )


def evaluate(
    pairs: Iterator[RealPair],
    methods: dict[str, Method],
    pictures: Path | None = None,
    segmentations: Path | None = None,
) -> list[Row]:
    """Measure every method on every pair; draw those that are no baseline.

    Tissue volumes are measured if there is a folder for the segmentations.
    """
    rows = []
    for pair in pairs:
        prepared = prepare_pair(pair.t1ce.data, pair.aligned, pair.brain)
        tissues = Tissues(pair, segmentations) if segmentations else None
        for name, method in methods.items():
            start = time.perf_counter()
            synthetic = method(pair.t1ce)
            seconds = time.perf_counter() - start
            change = change_of_t1nce(pair.t1nce.data, method(pair.t1nce), pair.t1nce_brain)
            measures = compare(prepared, synthetic)
            rows.append(
                Row(
                    pair.participant,
                    name,
                    pair.sharp,
                    **asdict(measures),
                    t1nce_change=change,
                    seconds=seconds,
                    **(tissues.measure(synthetic) if tissues else {}),
                )
            )
            print(f"{pair.participant} {name}: share {measures.share:.2f}", flush=True)
            if pictures and method not in (nothing, grey_opening):
                draw_participant(
                    pictures / f"{pair.participant}_model-{name}.png",
                    pair.t1ce.data,
                    synthetic,
                    pair.aligned,
                    affine=pair.t1ce.affine,
                    brain=pair.brain,
                    title=f"{pair.participant}   {name}   share {measures.share:.2f}",
                )
    return rows


def means(rows: Sequence[Row], label: str) -> list[Row]:
    """Average each method over the pairs."""
    names = dict.fromkeys(row.method for row in rows)
    averaged = []
    for name in names:
        own = [row for row in rows if row.method == name]
        values = {m: math.fsum(getattr(row, m) for row in own) / len(own) for m in MEASURES}
        averaged.append(Row(f"{label} ({len(own)})", name, True, **values))
    return averaged


def markdown(rows: Sequence[Row]) -> str:
    titles = (
        "pair | method | error T1ce | oracle | synthetic | share | inside | outside | sharpness "
        "| T1nce in | s"
    )
    digits = dict(zip(MEASURES, (2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 3, 3, 3), strict=True))
    if all(math.isnan(row.avd_gm) for row in rows):
        digits = {name: n for name, n in digits.items() if name not in VOLUMES}
    else:
        titles += " | AVD GM | AVD WM | AVD CSF | Dice GM | Dice WM | Dice CSF"
    lines = [f"| {titles} |", "|---|---|" + "---:|" * len(digits)]
    for row in rows:
        values = (f"{getattr(row, name):.{n}f}" for name, n in digits.items())
        lines.append(f"| {row.participant} | {row.method} | {' | '.join(values)} |")
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> list[Row]:
    """Add the means: of all pairs, and of those sharp on both sides."""
    sharp = [row for row in rows if row.sharp]
    return [*rows, *means(sharp, "mean of the sharp"), *means(rows, "mean of all")]


def write_tsv(path: Path, rows: Sequence[Row]) -> None:
    with atomic.temporary(path) as part, part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, asdict(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("caps", type=Path)
    parser.add_argument("pairs_tsv", type=Path)
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
    arguments = parser.parse_args()
    try:
        methods: dict[str, Method] = {"nothing": nothing, "grey opening": grey_opening}
        methods.update(
            model(name, arguments.device, blend)
            for name in arguments.models or ["default"]
            for blend in arguments.blends or [None]
        )
        pairs = load_pairs(arguments.caps, arguments.pairs_tsv, arguments.out / "aligned")
        segmentations = arguments.out / "segmented" if arguments.volumes else None
        rows = evaluate(pairs, methods, arguments.out, segmentations)
        write_tsv(arguments.out / "real_pairs.tsv", rows)
    except T1nceError as error:
        parser.exit(1, f"{error}\n")
    table = markdown(summary(rows))
    (arguments.out / "real_pairs.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
