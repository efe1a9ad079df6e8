"""L1 of generators on simulated pairs that they have not seen, and on real ones.

    python benchmarks/l1.py LABEL_MAPS CAPS PAIRS_TSV --model NAME|FILE [--model ...] [--out DIR]

The loss that the paper's generators are trained with: the mean absolute difference to the T1nce
over the whole crop, where T1ce and T1nce are each scaled to [0, 1] by their minimum and maximum.
It is measured on the crop's grid, so that networks of different grids can be compared. LABEL_MAPS
should hold heads that no model was trained on. OUT receives the table (l1.tsv) and a picture of the
first pairs of each kind (l1.png). CAPS and PAIRS_TSV are those of real_pairs.py; the
T1nce is aligned to the T1ce as there. Models must have that scaling on their card.
"""

import argparse
import csv
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clinica_t1nce.errors import T1nceError, WeightsError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training.data.simulated import SimulatedHeads, find_label_maps, load_anatomies
from clinica_t1nce.volumes import grids, intensity

sys.path.insert(0, str(Path(__file__).parent))

from real_pairs import load_pairs

SCALING = {"method": "min-max"}
SEED = 777_777
"""Of the simulated pairs; trainings draw from other ones."""
NOTHING = "T1ce as it is"
DRAWN = 2
"""Pairs of each kind in the picture."""
SIMULATED, REAL = "simulated", "real"


@dataclass(frozen=True)
class Scaled:
    """A pair, each image scaled by itself; D x H x W on the crop's grid."""

    name: str
    kind: str
    t1ce: np.ndarray
    t1nce: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True)
class Row:
    """What one method gets on one pair."""

    pair: str
    kind: str
    method: str
    l1: float


def load(name: str, device: str) -> tuple[str, Synthesizer]:
    """Load a model; shipped ones go by their card's name, files by the file's."""
    synthesizer = Synthesizer.load(name, device=device)
    card = synthesizer.card
    if dict(card.scaling) != SCALING or card.output != "image" or card.grid is None:
        raise WeightsError(f"{name}: not scaled as the paper's models; leave it out")
    return (Path(name).stem if Path(name).is_file() else card.name), synthesizer


def simulated_pairs(folder: Path, cache: Path, number: int) -> Iterator[Scaled]:
    source = SimulatedHeads(
        load_anatomies(find_label_maps(folder), cache), nifti.CROP_SHAPE, SCALING, SEED
    )
    for n in range(number):
        pair = source.pair(n)
        yield Scaled(
            f"{n + 1}", SIMULATED, pair["t1ce"][0].numpy(), pair["t1nce"][0].numpy(), np.eye(4)
        )


def real_pairs(caps: Path, pairs_tsv: Path, cache: Path) -> Iterator[Scaled]:
    for pair in load_pairs(caps, pairs_tsv, cache):
        t1ce, t1nce = scaled(pair.t1ce.data), scaled(pair.aligned)
        yield Scaled(pair.participant, REAL, t1ce, t1nce, pair.t1ce.affine)


def scaled(volume: np.ndarray) -> np.ndarray:
    return intensity.measure(volume, **SCALING).apply(volume)


def make(pair: Scaled, models: dict[str, Synthesizer]) -> dict[str, np.ndarray]:
    """Give the T1ce itself, as the models' grids leave it, and what each model makes of it.

    The T1ce is given in its scaled units, which the model gives its image back in.
    """
    made = {NOTHING: pair.t1ce}
    for grid in dict.fromkeys(model.card.grid for model in models.values()):
        made[f"T1ce through {grid[0]}³"] = there_and_back(pair.t1ce, grid)
    return made | {name: model(pair.t1ce, pair.affine).image for name, model in models.items()}


def there_and_back(volume: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    coarse = grids.resample(torch.from_numpy(volume)[None, None], grid)
    return grids.resample(coarse, volume.shape)[0, 0].numpy()


def measure(pair: Scaled, made: dict[str, np.ndarray]) -> list[Row]:
    return [
        Row(pair.name, pair.kind, name, float(np.abs(volume - pair.t1nce).mean(dtype=np.float64)))
        for name, volume in made.items()
    ]


def markdown(rows: list[Row]) -> str:
    """Write one line a method, in % of the range: means of each kind, then each real pair."""
    kinds = [kind for kind in (SIMULATED, REAL) if any(row.kind == kind for row in rows)]
    real = list(dict.fromkeys(row.pair for row in rows if row.kind == REAL))
    counts = [len({row.pair for row in rows if row.kind == kind}) for kind in kinds]
    titles = [f"{kind} ({n})" for kind, n in zip(kinds, counts, strict=True)]
    lines = [
        "| " + " | ".join(["method", *titles, *real]) + " |",
        "|---|" + "---:|" * (len(kinds) + len(real)),
    ]
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        values = [statistics.fmean(row.l1 for row in own if row.kind == kind) for kind in kinds]
        values += [row.l1 for name in real for row in own if (row.kind, row.pair) == (REAL, name)]
        lines.append("| " + " | ".join([method, *(f"{100 * v:.2f}" for v in values)]) + " |")
    return "\n".join(lines)


def planes(pair: Scaled, made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take the middle axial plane of all images, each from 0 to its brightest."""
    volumes = {**made, "T1nce": pair.t1nce}
    middle = {name: volume[:, :, volume.shape[2] // 2].T for name, volume in volumes.items()}
    return {name: plane / (np.percentile(plane, 99.5) or 1) for name, plane in middle.items()}


def draw(rows: list[dict[str, np.ndarray]], out: Path) -> None:
    """Draw one row a pair, one column a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * len(rows[0]), 2.4 * len(rows)), facecolor="black")
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        for panel, (name, plane) in zip(line, row.items(), strict=True):
            panel.imshow(plane, origin="lower", cmap="gray", vmin=0, vmax=1)
            panel.set_axis_off()
            panel.set_title(name, color="white", fontsize=8)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=0.95, wspace=0.02, hspace=0.1)
    with atomic.temporary(out) as part:
        figure.savefig(part, format="png", dpi=80, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("caps", type=Path)
    parser.add_argument("pairs_tsv", type=Path)
    parser.add_argument(
        "--model", action="append", dest="models", metavar="NAME|FILE", required=True
    )
    parser.add_argument("--simulated", type=int, default=8, help="pairs to simulate")
    parser.add_argument("--out", type=Path, default=Path("l1"))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    arguments = parser.parse_args()
    try:
        models = dict(load(name, arguments.device) for name in arguments.models)
        rows: list[Row] = []
        drawn: list[dict[str, np.ndarray]] = []
        for pairs in (
            simulated_pairs(arguments.label_maps, arguments.out / "heads", arguments.simulated),
            real_pairs(arguments.caps, arguments.pairs_tsv, arguments.out / "aligned"),
        ):
            for n, pair in enumerate(pairs):
                made = make(pair, models)
                rows += measure(pair, made)
                if n < DRAWN:
                    drawn.append(planes(pair, made))
                print(f"{pair.kind} {pair.name} done", file=sys.stderr, flush=True)
    except T1nceError as error:
        parser.exit(1, f"{error}\n")
    with atomic.temporary(arguments.out / "l1.tsv") as part, part.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(("pair", "kind", "method", "l1"))
        writer.writerows((row.pair, row.kind, row.method, f"{row.l1:.6f}") for row in rows)
    draw(drawn, arguments.out / "l1.png")
    print(markdown(rows))


if __name__ == "__main__":
    main()
