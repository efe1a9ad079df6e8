"""``clinica-t1nce simulate``."""

from pathlib import Path
from typing import Any

import click


@click.command("simulate")
@click.argument("label_maps", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pairs", type=click.IntRange(min=1), default=12, show_default=True, help="How many in all."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed gives the same pairs.",
)
@click.option(
    "--preset",
    type=click.Choice(["varied", "low-quality"]),
    default="varied",
    show_default=True,
    help="varied: as a hospital's images come. low-quality: bad contrast, motion, noise.",
)
@click.option(
    "--t1nce",
    type=click.Choice(["twin", "scan"]),
    default="twin",
    show_default=True,
    help="twin: the T1ce less its enhancement, noise and all. scan: as acquired by itself.",
)
@click.option(
    "--head",
    type=click.Choice(["any", "whole", "stripped"]),
    default="any",
    show_default=True,
    help="any: half of the heads whole, half skull-stripped.",
)
@click.option(
    "--in-place",
    is_flag=True,
    help="Neither turn nor bend the head, nor narrow its sulci: the label map fits the images.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns label and as: what labels of another scheme stand for.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to simulate; auto takes a CUDA GPU if there is one.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of PyTorch.")
@click.option("--overwrite", is_flag=True, help="Make again what is there.")
def cli(label_maps: Path, out: Path, **options: Any) -> None:
    """Simulate pairs of T1ce and T1nce of whole heads from LABEL_MAPS.

    LABEL_MAPS is one label map or a folder of them (*_dseg.nii.gz) by FreeSurfer, SAMSEG or
    SynthSeg, in any orientation, with voxels of 0.4 to 2 mm. OUT becomes a BIDS data set at 1 mm:
    T1nce in ses-M000, T1ce in ses-M000ce, the recipe in the JSON beside each. The same command,
    given again, makes what is missing.

    Exit code: 0 if every pair is there, 1 if one could not be made.
    """
    import logging
    import sys

    import torch

    from clinica_t1nce.errors import LabelMapError
    from clinica_t1nce.simulation import dataset
    from clinica_t1nce.simulation.label_maps import read_label_table
    from clinica_t1nce.synthesis.synthesizer import find_device

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options["threads"] is not None:
        torch.set_num_threads(options["threads"])
    found = sorted(label_maps.glob("*_dseg.nii*")) if label_maps.is_dir() else [label_maps]
    if not found:
        raise LabelMapError(f"{label_maps}: no label map named *_dseg.nii.gz in this folder")
    settings = dataset.SimulationSettings(
        seed=options["seed"],
        preset=options["preset"],
        second_scan=options["t1nce"] == "scan",
        head=options["head"],
        in_place=options["in_place"],
    )
    failures = dataset.write_dataset(
        found,
        out,
        options["pairs"],
        settings,
        table=read_label_table(options["labels"]) if options["labels"] else None,
        device=find_device(options["device"]),
        overwrite=options["overwrite"],
    )
    for line in failures:
        click.echo(f"Error: {line}", err=True)
    click.echo(f"pairs: {out}")
    sys.exit(1 if failures else 0)
