"""``clinica-t1nce calibrate``."""

from pathlib import Path

import click


@click.command("calibrate")
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument(
    "label_maps", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--files",
    "files_tsv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of real pairs (columns t1ce, t1nce, split, name, as of `clinica-t1nce train`): the "
    "detector is fitted on those for training and validation, the confidence on those for "
    "validation as well. A T1nce is then left to the network alone.",
)
@click.option(
    "--heads",
    type=click.IntRange(min=12),
    default=60,
    show_default=True,
    help="Heads to simulate from LABEL_MAPS.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for prepared label maps, such as heads/ of a training. Default: heads/ beside "
    "WEIGHTS.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of PyTorch.")
def cli(
    weights: Path,
    label_maps: Path | None,
    files_tsv: Path | None,
    heads: int,
    cache: Path | None,
    threads: int | None,
) -> None:
    """Let WEIGHTS tell whether gadolinium was given, and how sure they are.

    Simulates whole heads from LABEL_MAPS with and without gadolinium, takes the real pairs of
    --files, and writes what was learnt from them on the card beside WEIGHTS (a .safetensors file);
    without real pairs also the quantile of the enhancement that came nearest to it. The weights
    stay as they are.
    """
    import json
    import logging

    import torch

    from clinica_t1nce.bids.pairs import read_files
    from clinica_t1nce.training.calibration import calibrate

    if label_maps is None and files_tsv is None:
        raise click.UsageError("give LABEL_MAPS, --files TSV, or both")
    pairs = {
        split: [row for row in rows if row.t1ce is not None]
        for split, rows in (read_files(files_tsv) if files_tsv else {}).items()
    }

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads is not None:
        torch.set_num_threads(threads)
    found = calibrate(
        weights,
        label_maps,
        cache or weights.parent / "heads",
        heads,
        pairs.get("train", ()),
        pairs.get("validation", ()),
    )
    click.echo(json.dumps(found, indent=2))
