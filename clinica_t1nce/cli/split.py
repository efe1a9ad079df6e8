"""``clinica-t1nce split``."""

from pathlib import Path

import click


@click.command("split")
@click.argument("pairs_tsv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output_tsv", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--test",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Fraction of the participants to test on.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Fraction of the participants to validate on.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    help="Deal the others out into so many folds, for `train --fold`.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the draw."
)
def cli(
    pairs_tsv: Path,
    output_tsv: Path,
    test: float,
    validation: float,
    folds: int | None,
    seed: int,
) -> None:
    """Deal the participants of PAIRS_TSV out, and write the table with its columns split and fold.

    Nobody is in two parts. Participants with a pair whose quality is low are only tested on, as
    in the paper. The same table and seed give the same split.
    """
    from collections import Counter

    from clinica_t1nce.bids import pairs, splits
    from clinica_t1nce.files.text import table_text, write_text

    if folds is not None and validation > 0:
        raise click.UsageError("--folds and --validation exclude each other: a fold validates.")
    table = pairs.read_pairs(pairs_tsv, unpaired=True)
    parts = splits.assign(table.rows, test=test, validation=validation, folds=folds, seed=seed)
    added = ["split"] if folds is None else ["split", "fold"]
    header = [*(name for name in table.header if name not in ("split", "fold")), *added]
    cells = []
    for row, old in zip(table.rows, table.cells, strict=True):
        part = parts[row.subject]
        new = {**old, "split": part.split, "fold": "n/a" if part.fold is None else str(part.fold)}
        cells.append({name: new[name] for name in header})
    write_text(output_tsv, table_text(cells, header))
    counts = Counter(part.split for part in parts.values())
    click.echo(f"{output_tsv}: " + ", ".join(f"{n} {split}" for split, n in sorted(counts.items())))
