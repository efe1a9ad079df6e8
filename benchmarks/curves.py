"""Draw the losses of trainings.

python benchmarks/curves.py RUN [RUN ...] --out curves.png

RUN is the output folder of a training; `metrics.tsv` in it has a row each validation.
"""

import argparse
import csv
from pathlib import Path

from clinica_t1nce.files import atomic

COLUMNS = 2


def read(run: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Give steps and values of each loss in a run's table."""
    with (run / "metrics.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    losses = [name for name in rows[0] if name not in ("step", "epoch")]
    return {
        name: ([int(r["step"]) for r in rows if r[name]], [float(r[name]) for r in rows if r[name]])
        for name in losses
    }


def draw(runs: dict[str, dict[str, tuple[list[int], list[float]]]], out: Path) -> None:
    """Draw one panel a run, losses on a logarithmic scale."""
    from matplotlib.figure import Figure

    lines = -(-len(runs) // COLUMNS)
    figure = Figure(figsize=(4.5 * COLUMNS, 3 * lines), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, losses) in zip(panels, runs.items(), strict=False):
        panel.set_axis_on()
        panel.set(title=name, xlabel="step", yscale="log")
        for loss, (steps, values) in losses.items():
            panel.plot(steps, values, label=loss.replace("_", " "))
        panel.grid(which="both", alpha=0.3)
        panel.legend(fontsize=8)
    with atomic.temporary(out) as part:
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--out", type=Path, default=Path("curves.png"))
    arguments = parser.parse_args()
    draw({run.name: read(run) for run in arguments.runs}, arguments.out)


if __name__ == "__main__":
    main()
