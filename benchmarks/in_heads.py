"""Models on real brains without their skull, and on the same brains inside simulated heads.

    python benchmarks/in_heads.py FILES_TSV LABEL_MAPS --model NAME|FILE [--model ...] [--out DIR]
                                  [--cache heads] [--split validation]

FILES_TSV lists skull-stripped pairs as training takes them (t1ce, t1nce, split, name). Each is
measured bare, and set into a head that is simulated around it (docs/training.md). Writes
in_heads.tsv and a PNG a pair and model; README.md beside this file says what the columns mean.
"""

import argparse
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from clinica_t1nce.bids.pairs import PairFiles, read_files
from clinica_t1nce.evaluation.smooth_recovery import measure_smooth_recovery, prepare_smooth_pair
from clinica_t1nce.files import nifti
from clinica_t1nce.report.figures import draw_participant
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training.data.fitted_pairs import AIR_OF_HEADS, fit_pair
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies
from clinica_t1nce.training.data.surroundings import BEYOND, SimulatedSurroundings, extent_of
from clinica_t1nce.volumes import grids

STILL = 0.02
"""Enhancement, bright tissue = 1, below which nothing was to be taken."""

DIGITS = {"share": 2, "inside": 2, "outside": 2, "sharpness": 2, "csf": 3, "gm": 3, "wm": 3}
DIGITS |= {"t1nce": 2, "beyond": 1}


def load(pair: PairFiles) -> tuple[np.ndarray, ...]:
    """Return T1ce, fitted T1nce and mask, RAS, bright tissue about 1, with room for a skull."""
    assert pair.t1ce is not None and pair.t1nce is not None
    images = [nifti.load(path) for path in (pair.t1ce, pair.t1nce)]
    t1ce, t1nce = (grids.to_ras(image.data, image.affine) for image in images)
    scaling = {"method": "percentile", "percentile": 70.0, "floor": 0.02}
    volumes = fit_pair(t1ce, t1nce, scaling, shifts=False).volumes.astype(np.float32)
    return tuple(np.pad(volume, BEYOND) for volume in volumes)


def measure(
    synthesizer: Synthesizer, bare: tuple[np.ndarray, ...], shown: tuple[np.ndarray, ...]
) -> tuple[dict[str, float], np.ndarray]:
    """Compare the brain, and what lies around it, with the truth."""
    t1ce, t1nce, mask = bare
    brain, known = t1ce > 0, mask > 0
    synthetic = synthesizer(shown[0], np.eye(4)).image
    pair = prepare_smooth_pair(t1ce, np.where(known, t1nce, 0), brain)
    found = measure_smooth_recovery(pair, np.where(brain, synthetic, 0))
    unchanged = synthesizer(np.where(known, t1nce, shown[1]), np.eye(4)).change
    error, enhancement = np.abs(synthetic - shown[1]), np.abs(shown[0] - shown[1])
    still = ~brain & (shown[0] > AIR_OF_HEADS) & (enhancement < STILL)
    measures = {name: getattr(found, name) for name in ("share", "inside", "outside", "sharpness")}
    measures |= {name: getattr(found, f"bias_{name}") for name in ("csf", "gm", "wm")}
    measures["t1nce"] = 100 * float(np.abs(unchanged)[known].mean())
    measures["beyond"] = 100 * float(error[still].mean()) if still.any() else float("nan")
    return measures, synthetic


def in_head(
    bare: tuple[np.ndarray, ...], surroundings: SimulatedSurroundings, seed: int
) -> tuple[np.ndarray, ...]:
    """Set a brain into a simulated head; T1ce, T1nce and mask."""
    centre = [(side - 1) / 2 for side in bare[0].shape]
    patch = tuple(torch.from_numpy(volume) for volume in bare)
    rng = np.random.default_rng(seed)
    placed = surroundings((patch[0], patch[1], patch[2]), centre, extent_of(bare[0]), rng)
    return tuple(volume.numpy() for volume in placed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, metavar="FILES_TSV")
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("--split", default="validation", help="rows of FILES_TSV (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--model", action="append", dest="models", metavar="NAME|FILE")
    parser.add_argument("--out", type=Path, default=Path("in_heads"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    models = {Path(m).stem: Synthesizer.load(m, "cpu") for m in given.models or ["default"]}
    surroundings = SimulatedSurroundings(
        load_anatomies(find_label_maps(given.label_maps), given.cache)
    )
    rows = []
    for number, pair in enumerate(read_files(given.pairs)[given.split]):
        bare = load(pair)
        for place, shown in {
            "bare": bare,
            "in a head": in_head(bare, surroundings, number),
        }.items():
            for name, synthesizer in models.items():
                measures, synthetic = measure(synthesizer, bare, shown)
                rows.append((pair.name, place, name, measures))
                print(*rows[-1], flush=True)
                draw_participant(
                    given.out / f"{pair.name}_{place.replace(' ', '-')}_model-{name}.png",
                    shown[0],
                    synthetic,
                    np.where(bare[2] > 0, bare[1], shown[1]),
                    affine=np.eye(4),
                    brain=bare[0] > 0,
                    title=f"{pair.name}, {place}   {name}   share {measures['share']:.2f}",
                )
    for place in ("bare", "in a head"):
        for name in models:
            own = [row[3] for row in rows if row[1:3] == (place, name)]
            mean = {key: fmean(measures[key] for measures in own) for key in DIGITS}
            rows.append((f"mean ({len(own)})", place, name, mean))
    lines = ["\t".join(["pair", "place", "model", *DIGITS])]
    for *labels, measures in rows:
        lines.append("\t".join([*labels, *(f"{measures[k]:.{d}f}" for k, d in DIGITS.items())]))
    (given.out / "in_heads.tsv").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
