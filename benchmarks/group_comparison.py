"""Simulate a study in which one group has mostly T1ce: what becomes of its effect size.

    python benchmarks/group_comparison.py LABEL_MAPS --out DIR [--people 16] [--model default]

Each person is a slab of a simulated head (docs/simulation.md), rendered twice: without and with
gadolinium, by one scanner. Patients have lost more of their cortical surface than controls. Most
patients and few controls were given gadolinium. Gray matter and CSF are measured as parts of the
intracranial volume by fixed Gaussians of the three tissues, those of the scanner's T1nce: once if
nobody had been given any, once from the images as they are, and once with synthetic T1nce in place
of the T1ce. Writes people.tsv, effects.tsv and figure.png.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from clinica_t1nce.simulation.anatomy import MARGIN, Anatomy, decode
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.gadolinium import USUAL, sample_effects
from clinica_t1nce.simulation.scanner import Acquisition, Quality
from clinica_t1nce.simulation.simulator import Pair, render, sample_recipe
from clinica_t1nce.simulation.tissues import Tissue
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training.data.anatomies import find_label_maps, load_heads

SLAB = 32
"""Slices of each head, about the middle of the brain."""

LOST = {"controls": 0.15, "patients": 0.30}
"""Part of the cortical surface that a group has lost a voxel of, on average."""

SPREAD = 0.05
"""Standard deviation of that part within a group."""

WITH_GADOLINIUM = {"controls": 0.2, "patients": 0.8}
PATCH = 3.0
"""Standard deviation in mm of the noise that decides where surface is lost."""

STUDY = Quality(noise=(0.01, 0.03), bias=(0.0, 0.03), thick=0, motion=0, ghosts=0, wrap=0)
"""Quality of the scanner: good, so that the groups and gadolinium are what differs."""

CONDITIONS = ("no gadolinium", "T1ce as it is", "synthetic T1nce")
TISSUES = {"GM": 1, "CSF": 0}
N_BOOTSTRAP = 2000


def atrophied(anatomy: Anatomy, lost: float, rng: np.random.Generator) -> Anatomy:
    """Turn a part of the outermost cortex near the slab into CSF, in patches."""
    middle, tissue = anatomy.tissue.shape[2] // 2, anatomy.tissue.copy()
    near = np.s_[:, :, max(middle - SLAB, 0) : middle + SLAB]
    depth = -decode(anatomy.distances[1][near].astype(np.float32), 1)
    surface = (tissue[near] == Tissue.CORTEX) & (depth < 1)
    noise = ndimage.gaussian_filter(rng.standard_normal(surface.shape, np.float32), PATCH)
    gone = surface & (noise < np.quantile(noise[surface], min(max(lost, 0.0), 1.0)))
    tissue[near][gone] = Tissue.CSF
    return replace(anatomy, tissue=tissue)


def draw_scanner(rng: np.random.Generator) -> tuple[Contrast, Acquisition]:
    """Draw a sequence that tells the three tissues apart well, and the steps of its scans."""
    while True:
        contrast = Contrast.sample_sequence(rng)
        if 0.6 < contrast.gray < 0.75 and contrast.csf < 0.35:
            return contrast, Acquisition.sample(rng, STUDY)


def render_person(
    anatomy: Anatomy, contrast: Contrast, acquisition: Acquisition, rng: np.random.Generator
) -> Pair:
    shape = [n - 2 * MARGIN + 16 for n in anatomy.tissue.shape]
    shape[2] = SLAB
    recipe = sample_recipe(rng, anatomy, shape, STUDY)
    recipe = replace(
        recipe.about([(n - 1) / 2 for n in anatomy.tissue.shape]),
        **{"contrast": contrast, "acquisition": acquisition, "enhanced": True},
        effects=tuple(sample_effects(rng, contrast, USUAL)),
        **dict.fromkeys(("stripping", "defacing", "field_of_view", "second")),
    )
    return render(recipe, anatomy, shape)


def measure(
    volume: np.ndarray, intracranial: np.ndarray, contrast: Contrast, scale: float
) -> dict[str, float]:
    """Give each voxel to the nearest mean of CSF, gray and white matter without gadolinium."""
    means = np.array([contrast.csf, contrast.gray, 1.0])
    borders = scale * (means[1:] + means[:-1]) / 2
    labels = np.digitize(volume[intracranial], borders)
    return {name: float((labels == label).mean()) for name, label in TISSUES.items()}


def simulate(
    heads: list[Anatomy], people: int, synthesizer: Synthesizer, seed: int
) -> pd.DataFrame:
    rows = []
    contrast, acquisition = draw_scanner(np.random.default_rng(seed))
    for number in range(people):
        for column, (group, lost) in enumerate(LOST.items()):
            rng = np.random.default_rng([seed, number, column])
            anatomy = atrophied(heads[number % len(heads)], rng.normal(lost, SPREAD), rng)
            pair = render_person(anatomy, contrast, acquisition, rng)
            given = (number + 0.5) / people < WITH_GADOLINIUM[group]
            t1ce, t1nce = (image[0].numpy() for image in (pair.t1ce, pair.t1nce))
            inside = pair.intracranial[0].numpy()
            found_in = partial(
                measure, intracranial=inside, contrast=contrast, scale=acquisition.scale
            )
            found = dict.fromkeys(CONDITIONS, found_in(t1nce))
            if given:
                synthetic = synthesizer(t1ce, np.eye(4)).image
                found["T1ce as it is"] = found_in(t1ce)
                found["synthetic T1nce"] = found_in(synthetic)
            for condition, fractions in found.items():
                rows += [
                    {
                        **{"person": f"{group[0]}{number:02}", "group": group, "T1ce": given},
                        **{"condition": condition, "tissue": tissue, "fraction": fraction},
                    }
                    for tissue, fraction in fractions.items()
                ]
        print(f"{number + 1} of {people}", flush=True)
    return pd.DataFrame(rows)


def cohens_d(controls: np.ndarray, patients: np.ndarray) -> float:
    """Difference patients - controls over the pooled standard deviation of equal groups."""
    pooled = np.sqrt((controls.var(ddof=1) + patients.var(ddof=1)) / 2)
    return float((patients.mean() - controls.mean()) / pooled)


def effects(people: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (tissue, condition), part in people.groupby(["tissue", "condition"], sort=False):
        groups = [part.loc[part["group"] == g, "fraction"].to_numpy() for g in LOST]
        rng = np.random.default_rng(0)
        drawn = [
            cohens_d(*(rng.choice(values, len(values)) for values in groups))
            for _ in range(N_BOOTSTRAP)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        means = dict(zip(LOST, (float(g.mean()) for g in groups), strict=True))
        found = {"d": cohens_d(*groups), "low": low, "high": high}
        rows.append({"tissue": tissue, "condition": condition, **means, **found})
    return pd.DataFrame(rows)


def draw(people: pd.DataFrame, found: pd.DataFrame, out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    rng = np.random.default_rng(0)
    for ax, tissue in zip(figure.subplots(1, len(TISSUES)), TISSUES, strict=True):
        ticks = []
        for place, condition in enumerate(CONDITIONS):
            chosen = people[(people["tissue"] == tissue) & (people["condition"] == condition)]
            for side, (group, colour) in enumerate(zip(LOST, ("#3b6ea8", "#c05a2b"), strict=True)):
                part = chosen[chosen["group"] == group]
                where = place + 0.4 * side - 0.2 + rng.uniform(-0.08, 0.08, len(part))
                for given, marker in ((False, "o"), (True, "^")):
                    these = (part["T1ce"] == given).to_numpy()
                    label = f"{group}, {'with' if given else 'without'} gadolinium"
                    style = {"s": 14, "color": colour, "marker": marker, "alpha": 0.7}
                    values = 100 * part["fraction"].to_numpy()[these]
                    ax.scatter(where[these], values, label=None if place else label, **style)
            row = found[(found["tissue"] == tissue) & (found["condition"] == condition)].iloc[0]
            ticks.append(f"{condition}\nd = {row['d']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        ax.set_xticks(range(len(CONDITIONS)), ticks, fontsize=8)
        ax.set_ylabel(f"{tissue}, % of the intracranial volume")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(out, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path, help="folder of *_dseg.nii.gz")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--people", type=int, default=16, help="people in each group")
    parser.add_argument("--model", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_label_maps(given.label_maps)[: given.people]
    heads = load_heads(paths, given.cache)
    people = simulate(heads, given.people, Synthesizer.load(given.model, "cpu"), given.seed)
    found = effects(people)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, frame in (("people", people), ("effects", found)):
        frame.to_csv(given.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f")
    draw(people, found, given.out / "figure.png")
    print(found.to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
