"""Simulate a study in which one group has mostly T1ce: what becomes of its effect size.

    python benchmarks/group_comparison.py LABEL_MAPS --out DIR [--pairs 20] [--model default]

Each person is a slab of a simulated head (docs/simulation.md), rendered twice: without and with
gadolinium, by one scanner. Each patient is matched with a control who has the same head, but has
lost less of the cortical surface. Most patients and few controls were given gadolinium. Gray
matter and CSF are measured as parts of the intracranial volume by three Gaussians: once if nobody
had been given any, once from the images as they are, and once with synthetic T1nce in place of the
T1ce. Writes people.tsv, effects.tsv and figure.png. `added` in people.tsv is the mean enhancement
in the intracranial volume, white matter = 1; `left` the mean absolute error of the synthetic image
over the T1ce's there.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from clinica_t1nce.simulation.anatomy import MARGIN, Anatomy, to_mm
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.gadolinium import USUAL, sample_effects
from clinica_t1nce.simulation.scanner import Acquisition, Quality
from clinica_t1nce.simulation.simulator import SimulatedPair, render, sample_recipe
from clinica_t1nce.simulation.tissues import PARENCHYMA, Tissue
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies

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
SAMPLE = 50_000
"""Voxels that the Gaussians are fitted to."""

WHO = {(False, False): "nobody", (True, False): "the patient"}
WHO |= {(False, True): "the control", (True, True): "both"}
COLOURS = dict(zip(WHO.values(), ("#555555", "#c05a2b", "#3b6ea8", "#7a4fa3"), strict=True))


def atrophied(anatomy: Anatomy, lost: float, rng: np.random.Generator) -> Anatomy:
    """Turn a part of the outermost cortex near the slab into CSF, in patches."""
    middle, tissue = anatomy.tissue.shape[2] // 2, anatomy.tissue.copy()
    near = np.s_[:, :, max(middle - SLAB, 0) : middle + SLAB]
    depth = -to_mm(anatomy.distances[1][near].astype(np.float32), 1)
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
    anatomy: Anatomy,
    scanner: tuple[Contrast, Acquisition],
    placement_seed: Sequence[int],
    rng: np.random.Generator,
) -> SimulatedPair:
    brain = np.argwhere(np.isin(anatomy.tissue, PARENCHYMA).any(axis=(0, 1)))
    shape = [n - 2 * MARGIN + 16 for n in anatomy.tissue.shape]
    shape[2] = SLAB
    recipe = sample_recipe(np.random.default_rng(placement_seed), anatomy, shape, STUDY)
    centre = [(n - 1) / 2 for n in anatomy.tissue.shape[:2]]
    contrast, acquisition = scanner
    recipe = replace(
        recipe.about([*centre, float(brain.mean())]),
        **{"contrast": contrast, "acquisition": acquisition, "enhanced": True},
        effects=tuple(sample_effects(rng, contrast, USUAL)),
        **dict.fromkeys(("stripping", "defacing", "field_of_view", "second")),
    )
    return render(recipe, anatomy, shape)


def measure(volume: np.ndarray, intracranial: np.ndarray, means: np.ndarray) -> dict[str, float]:
    """Fit three Gaussians, from the scanner's means on, and give each voxel to the likeliest."""
    values = volume[intracranial][:, None].astype(np.float64)
    model = GaussianMixture(3, means_init=means[:, None], random_state=0, max_iter=200)
    model.fit(np.random.default_rng(0).choice(values, min(SAMPLE, len(values)), replace=False))
    labels = np.argsort(np.argsort(model.means_[:, 0]))[model.predict(values)]
    return {name: float((labels == label).mean()) for name, label in TISSUES.items()}


def simulate(heads: list[Anatomy], pairs: int, synthesizer: Synthesizer, seed: int) -> pd.DataFrame:
    rows = []
    contrast, acquisition = scanner = draw_scanner(np.random.default_rng(seed))
    means = acquisition.scale * np.array([contrast.csf, contrast.gray, 1.0])
    for number in range(pairs):
        for column, (group, lost) in enumerate(LOST.items()):
            rng = np.random.default_rng([seed, number, column])
            anatomy = atrophied(heads[number % len(heads)], rng.normal(lost, SPREAD), rng)
            pair = render_person(anatomy, scanner, [seed, number], rng)
            given = (number + 0.5) / pairs < WITH_GADOLINIUM[group]
            t1ce, t1nce = (image[0].numpy() for image in (pair.t1ce, pair.t1nce))
            inside = pair.intracranial[0].numpy()
            found = dict.fromkeys(CONDITIONS, measure(t1nce, inside, means))
            extent = {"added": np.nan, "left": np.nan}
            if given:
                synthetic = synthesizer(t1ce, np.eye(4)).image
                before, after = (np.abs(x - t1nce)[inside].mean() for x in (t1ce, synthetic))
                extent = {"added": before / means[-1], "left": after / before}
                found["T1ce as it is"] = measure(t1ce, inside, means)
                found["synthetic T1nce"] = measure(synthetic, inside, means)
            for condition, fractions in found.items():
                rows += [
                    {
                        **{"pair": number, "group": group, "T1ce": given},
                        **{"condition": condition, "tissue": tissue, "fraction": fraction},
                        **extent,
                    }
                    for tissue, fraction in fractions.items()
                ]
        print(f"{number + 1} of {pairs}", flush=True)
    return pd.DataFrame(rows)


def differences(people: pd.DataFrame) -> pd.DataFrame:
    """Subtract each control from the patient with the same head, in % of intracranial volume."""
    key = ["tissue", "condition", "pair"]
    wide = people.pivot(index=key, columns="group", values=["fraction", "T1ce"])
    fractions, given = wide["fraction"].astype(float), wide["T1ce"].astype(bool)
    found = pd.DataFrame({"difference": 100 * (fractions["patients"] - fractions["controls"])})
    found["who"] = [
        WHO[patient, control]
        for patient, control in zip(given["patients"], given["controls"], strict=True)
    ]
    return found.reset_index()


def effects(found: pd.DataFrame) -> pd.DataFrame:
    """Give the mean difference and Cohen's d of matched pairs, with a bootstrapped interval."""
    rows = []
    for tissue in TISSUES:
        for condition in CONDITIONS:
            chosen = (found["tissue"] == tissue) & (found["condition"] == condition)
            values = found.loc[chosen, "difference"].to_numpy()
            rng = np.random.default_rng(0)
            drawn = [cohens_d(rng.choice(values, len(values))) for _ in range(N_BOOTSTRAP)]
            low, high = np.quantile(drawn, [0.025, 0.975])
            row = {"tissue": tissue, "condition": condition, "difference": values.mean()}
            rows.append({**row, "d": cohens_d(values), "low": low, "high": high})
    return pd.DataFrame(rows)


def cohens_d(differences: np.ndarray) -> float:
    return float(differences.mean() / differences.std(ddof=1))


def draw(found: pd.DataFrame, summary: pd.DataFrame, out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    rng = np.random.default_rng(0)
    for ax, tissue in zip(figure.subplots(1, len(TISSUES)), TISSUES, strict=True):
        ax.axhline(0, color="0.8", linewidth=1)
        ticks = []
        for place, condition in enumerate(CONDITIONS):
            chosen = found[(found["tissue"] == tissue) & (found["condition"] == condition)]
            for (who, colour), marker in zip(COLOURS.items(), "o^sD", strict=True):
                part = chosen.loc[chosen["who"] == who, "difference"]
                where = place + rng.uniform(-0.15, 0.15, len(part))
                style = {"s": 16, "color": colour, "marker": marker, "alpha": 0.8}
                ax.scatter(where, part, label=None if place else who, **style)
            chosen = (summary["tissue"] == tissue) & (summary["condition"] == condition)
            row = summary[chosen].iloc[0]
            ax.plot([place - 0.25, place + 0.25], [row["difference"]] * 2, color="black")
            ticks.append(f"{condition}\nd = {row['d']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        ax.set_xticks(range(len(CONDITIONS)), ticks, fontsize=8)
        ax.set_ylabel(f"{tissue}, patient - control,\n% of the intracranial volume", fontsize=9)
    handles = ax.get_legend_handles_labels()
    figure.legend(
        *handles, loc="outside lower center", ncols=4, fontsize=8, title="gadolinium given to"
    )
    figure.savefig(out, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path, help="folder of *_dseg.nii.gz")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--pairs", type=int, default=20, help="patients with their controls")
    parser.add_argument("--model", default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = find_label_maps(given.label_maps)[: given.pairs]
    heads = load_anatomies(paths, given.cache)
    people = simulate(heads, given.pairs, Synthesizer.load(given.model, "cpu"), given.seed)
    found = differences(people)
    summary = effects(found)
    given.out.mkdir(parents=True, exist_ok=True)
    for name, frame in (("people", people), ("effects", summary)):
        frame.to_csv(given.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f")
    draw(found, summary, given.out / "figure.png")
    print(summary.to_string(index=False, float_format="%.2f"))
    print(people.drop_duplicates(["pair", "group"])[["added", "left"]].describe())


if __name__ == "__main__":
    main()
