"""``clinica-t1nce train``: one training, many sources; ``train-simulated`` is an older name."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clinica_t1nce.cli.training_options import COUNT, Parts, shared_options

if TYPE_CHECKING:
    from clinica_t1nce.bids.pairs import PairFiles
    from clinica_t1nce.training.data.sources import Data

MACHINE = ("device", "devices", "num_nodes", "strategy", "workers", "threads")
"""Options that say where it runs, and not what comes out."""

DEFAULT_MIX = {"real": 2, "simulated": 1, "t1nce": 1}
"""Pairs of each source in a round."""


@click.command("train")
@click.argument(
    "places",
    nargs=-1,
    required=True,
    metavar="[CAPS PAIRS_TSV] OUTPUT",
    type=click.Path(path_type=Path),
)
@click.option(
    "--files",
    "files_tsv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of real pairs that are plain files, in place of CAPS and PAIRS_TSV: columns t1ce, "
    "t1nce, and, if wanted, split and name. A row without t1ce is a T1nce alone.",
)
@click.option(
    "--label-maps",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of whole-head label maps (*_dseg.nii.gz): simulate pairs from them, too.",
)
@click.option(
    "--pairs",
    type=COUNT,
    help="Simulate so many whole heads once, for networks that see whole volumes; without it, new "
    "ones without end.",
)
@click.option(
    "--in-heads",
    type=click.FloatRange(min=0, max=1),
    help="Skull-stripped real pairs, in patches: share that is set into a head simulated from "
    "--label-maps.",
)
@click.option(
    "--mix",
    type=Parts(),
    help="Pairs of each source in a round.  [default: real=2,simulated=1,t1nce=1]",
)
@click.option("--fold", type=click.IntRange(min=0), help="Validate on this fold of the table.")
@click.option("--low-quality", is_flag=True, help="Train on pairs of low quality, too.")
@click.option(
    "--augment/--no-augment",
    default=None,
    help="Vary the real pairs at random, both images alike.  [default: as the preset]",
)
@click.option(
    "--fit/--no-fit",
    default=None,
    help="Networks that see whole volumes: bring each T1nce to the intensities of its T1ce; else "
    "each image is scaled by itself.  [default: as the preset]",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for prepared volumes, which several trainings may share.",
)
@shared_options(None)
def cli(
    places: tuple[Path, ...],
    files_tsv: Path | None,
    label_maps: Path | None,
    pairs: int | None,
    mix: dict[str, int] | None,
    fold: int | None,
    low_quality: bool,
    cache: Path | None,
    **options: Any,
) -> None:
    """Train a generator on real pairs of T1ce and T1nce, on simulated ones, or on both.

    Real pairs come from a CAPS, with a table PAIRS_TSV (columns participant_id, session_id_t1nce,
    session_id_t1ce, and, if wanted, split, fold, quality; see `clinica-t1nce split`), or from
    --files. --label-maps adds simulated pairs. OUTPUT receives checkpoints, metrics, pictures and
    the weights with their card, which work at once with `--model`. The same command, given again
    after an interruption, goes on from the last checkpoint.
    """
    from clinica_t1nce.training.data.sources import LabelMaps, Mixed

    options["method"] = _method(options)
    paired = options["method"] != "unpaired"
    table = _table(places, files_tsv, label_maps, fold, low_quality, paired)
    sources: dict[str, Data] = {}
    if table is not None:
        sources |= _real(table, cache, paired, label_maps)
    if label_maps is not None:
        sources["simulated"] = LabelMaps(label_maps, pairs)
    elif pairs is not None:
        raise click.UsageError("--pairs is of simulated pairs: give --label-maps")
    has_heads = paired and {"real", "simulated"} <= set(sources)
    if options["in_heads"] is not None and not has_heads:
        raise click.UsageError("--in-heads is of real pairs: give them, and --label-maps")
    if options["preset"] is None:
        mixed = "change" if set(sources) == {"simulated"} else "mixed"
        options["preset"] = mixed if label_maps is not None else "paper"
    if mix is not None and set(mix) != set(sources):
        raise click.UsageError(f"--mix has to name the sources: {', '.join(sources)}")
    if len(sources) == 1:
        (data,) = sources.values()
    else:
        data = Mixed(sources, mix or {name: DEFAULT_MIX[name] for name in sources})
    _train(data, places[-1], options)


def _table(
    places: tuple[Path, ...],
    files_tsv: Path | None,
    label_maps: Path | None,
    fold: int | None,
    low_quality: bool,
    paired: bool,
) -> "dict[str, list[PairFiles]] | None":
    """Read the real pairs, by split; None if there are none."""
    from clinica_t1nce.bids import pairs
    from clinica_t1nce.caps.query import find_images

    if len(places) == 3 and files_tsv is None:
        caps, pairs_tsv, _ = places
        for place, is_there in ((caps, caps.is_dir()), (pairs_tsv, pairs_tsv.is_file())):
            if not is_there:
                raise click.UsageError(f"{place}: no such file or folder; check the path")
        rows = pairs.read_pairs(pairs_tsv, unpaired=not paired).rows
        divided = pairs.divide(rows, pairs_tsv, fold, low_quality=low_quality)
        return {
            split: [
                pairs.PairFiles(str(found.row), found.t1ce, found.t1nce)
                for found in find_images(caps, divided[split], pairs_tsv)
            ]
            for split in (pairs.TRAIN, pairs.VALIDATION)
        }
    if len(places) != 1 or (files_tsv is None and label_maps is None):
        raise click.UsageError(
            "give CAPS PAIRS_TSV OUTPUT, or OUTPUT with --files TSV, --label-maps FOLDER or both"
        )
    if fold is not None or low_quality:
        raise click.UsageError("--fold and --low-quality are of CAPS PAIRS_TSV; leave them out")
    if files_tsv is None:
        return None
    return pairs.read_files(files_tsv)


def _real(
    table: "dict[str, list[PairFiles]]",
    cache: Path | None,
    paired: bool,
    label_maps: Path | None,
) -> "dict[str, Data]":
    from clinica_t1nce.training.data.sources import PlainT1nce, RealPairs

    training, validation = table["train"], table["validation"]
    if not paired:
        return {"real": RealPairs(training, validation, cache, paired=False)}
    alone = [pair.t1nce for pair in training if pair.t1ce is None and pair.t1nce is not None]
    complete, held_out = (
        [pair for pair in part if pair.t1ce is not None and pair.t1nce is not None]
        for part in (training, validation)
    )
    sources: dict[str, Data] = {}
    if complete:
        sources["real"] = RealPairs(complete, held_out, cache, label_maps=label_maps)
    if alone:
        sources["t1nce"] = PlainT1nce(alone, cache)
    return sources


@click.command("train-simulated")
@click.argument("label_maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pairs",
    type=COUNT,
    help="Simulate so many whole heads once, for networks that see whole volumes; without it, new "
    "ones without end.",
)
@shared_options("change")
def train_simulated(label_maps: Path, output: Path, pairs: int | None, **options: Any) -> None:
    """Train a generator on T1ce/T1nce pairs simulated from LABEL_MAPS.

    LABEL_MAPS is a folder of whole-head label maps (*_dseg.nii.gz, 1 mm). OUTPUT receives
    checkpoints, metrics, pictures and the weights with their card, which work at once with
    `--model`. The same command, given again after an interruption, goes on from the last
    checkpoint.
    """
    from clinica_t1nce.training.data.sources import LabelMaps

    options["method"] = _method(options)
    _train(LabelMaps(label_maps, pairs), output, options)


def _method(options: dict[str, Any]) -> str:
    adversarial, unpaired = options.pop("as_cgan"), options.pop("as_cyclegan")
    if adversarial and unpaired:
        raise click.UsageError(
            "--adversarial trains on pairs, --unpaired without them: give one of the two"
        )
    return "adversarial" if adversarial else "unpaired" if unpaired else "supervised"


def _train(data: "Data", output: Path, options: dict[str, Any]) -> None:
    import logging

    from lightning.pytorch.utilities import rank_zero_only

    from clinica_t1nce.training.fit import Machine
    from clinica_t1nce.training.run import train
    from clinica_t1nce.training.settings import from_preset

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    machine = Machine(**{name: options.pop(name) for name in MACHINE})
    settings = from_preset(options.pop("preset"), **options)
    weights = train(data, output, settings, machine, command=_command())
    rank_zero_only(click.echo)(f"weights: {weights}")


def _command() -> str:
    """Repeat what was typed, without the folders of this machine: a card travels."""
    return " ".join(["clinica-t1nce", *(Path(word).name for word in sys.argv[1:])])
