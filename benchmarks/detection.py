"""How well images tell whether gadolinium was given: see benchmarks/README.md.

``python benchmarks/detection.py CAPS/gadolinium.tsv`` reads the table that ``clinica-t1nce detect
CAPS`` wrote, takes its column ``metadata`` for the truth, and prints Markdown.
"""

import argparse
from pathlib import Path

import numpy as np

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.translation import classification


def measure(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Measure probabilities against the truth.

    `auc` is the area under the receiver operating characteristic, `accuracy` that at 0.5, `brier`
    the mean squared error, `expected` and `found` the share of T1ce that the probabilities, added
    up, foretell and the share there is.
    """
    positive, negative = probability[truth], probability[~truth]
    if not positive.size or not negative.size:
        raise SelectionError("images of one kind only: nothing can be told apart")
    wins = (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2
    return {
        "auc": float(wins),
        "accuracy": float(((probability >= 0.5) == truth).mean()),
        "brier": float(((probability - truth) ** 2).mean()),
        "expected": float(probability.mean()),
        "found": float(truth.mean()),
    }


def report(path: Path) -> str:
    """Write the figures, and a row an image."""
    rows = read_rows(path, classification.COLUMNS)
    truth = np.array([row["metadata"] != "nothing" for row in rows])
    probability = np.array([float(row["probability"]) for row in rows])
    figures = measure(truth, probability)
    lines = [f"| images | {' | '.join(figures)} |", f"|---:{'|---:' * len(figures)}|"]
    lines.append(f"| {len(rows)} | {' | '.join(f'{value:.3f}' for value in figures.values())} |")
    lines += ["", "| image | truth | probability |", "|---|---|---:|"]
    lines += [
        f"| {row['participant_id']} {row['session_id']} | {'T1ce' if is_t1ce else 'T1nce'} "
        f"| {row['probability']} |"
        for row, is_t1ce in zip(rows, truth, strict=True)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    print(report(parser.parse_args().table))
