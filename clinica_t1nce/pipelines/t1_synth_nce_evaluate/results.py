"""From the records of all pairs to tables, figures and the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.evaluation.agreement import tabulate_agreement
from clinica_t1nce.evaluation.frames import (
    BASELINE,
    PAIR,
    by_set,
    collect,
    compare_methods,
    describe,
)
from clinica_t1nce.evaluation.tables import SETS, PrintedTable, make_tables
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import as_json, write_text
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import EvaluationSettings

if TYPE_CHECKING:
    import pandas as pd

PAGES = "pages"
"""Of the participants, in the output folder."""

N_EXAMPLES = 3
"""Pairs in the figures of examples."""

_ALIGNED = {"rigid": "rigidly aligned to the T1ce", "affine": "affinely aligned to the T1ce"}


def write_results(
    out: Path,
    records: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, str]],
    settings: EvaluationSettings,
) -> dict[str, PrintedTable]:
    """Write all that is said of the pairs together.

    Parameters
    ----------
    out
        The output folder; the images of each pair are there already.
    records
        Records of the pairs evaluated.
    failures
        Pairs left out: ``participant_id`` and what else is known of the pair, and ``reason``.
    settings
        The command's options.

    Returns
    -------
    dict
        The tables in the paper's layout.
    """
    import pandas as pd

    frames = collect(records)
    statistics = compare_methods(frames)
    evaluated = [{key: record.get(key) for key in PAIR} for record in records]
    pairs = pd.DataFrame(
        [
            *(row | {"status": "evaluated"} for row in evaluated),
            *({**row, "status": "failed"} for row in failures),
        ],
        columns=[*PAIR, "status", "reason"],
    )
    agreement = tabulate_agreement(frames)
    tables = make_tables(frames, statistics, agreement)
    written = {**frames, "agreement": agreement, "statistics": statistics, "pairs": pairs}
    if frames["noise_floor"].empty:
        del written["noise_floor"]
    for name, frame in written.items():
        _write_tsv(out / f"{name}.tsv", frame)
    for name, table in tables.items():
        write_text(out / "tables" / f"{name}.md", table.markdown())
        write_text(out / "tables" / f"{name}.tex", table.latex())
    figures = _draw(out, records, frames)
    _write_report(out, records, pairs, tables, figures, settings)
    return tables


def note(settings: EvaluationSettings) -> str:
    """Say how the figures were got."""
    said = {
        "atropos": "by N4 and ANTs' Atropos in one brain mask a pair, with the tissues of the "
        "MNI152 template as priors, so that total volumes are equal",
        "atropos-own": "the same in the brain mask of each image, so that an error of the mask "
        "counts as well",
        "maps": "from maps of GM, WM and CSF, each voxel given to the most probable of them and "
        "background",
        "labels": "from label maps",
    }
    segmentation = "; ".join(
        f"{method.name}: {said[method.kind]}{f' ({method.pattern})' if method.pattern else ''}"
        for method in settings.segmentations
    )
    if settings.align == "none":
        aligned = "Pairs are compared as t1-linear left them, as in the paper."
    else:
        aligned = (
            f"Alignment {settings.align}: the T1nce was {_ALIGNED[settings.align]}, in one "
            "resampling, the same for all images; none: as t1-linear left it, as in the paper."
        )
    return "\n\n".join(
        [
            "Each T1ce, and what models made of it, is compared with the T1nce of the same visit. "
            f"{aligned}",
            "After a smooth fit: the T1nce is fitted to the T1ce (another contrast and receive "
            "field, enhancement left out), and every image is compared with it as it is, in the "
            "brain of both images eroded by one voxel. These figures come first; the others stand "
            "beside the paper's.",
            "Other MAE, PSNR and SSIM are measured over the union of the brains of T1ce and T1nce "
            f"(brain masks: {settings.brain_mask}; skull-stripped images are their own), on images "
            "scaled to [0, 1] by their minimum and maximum, synthetic ones like their T1ce; the "
            "range is 1. Matched: after the best linear fit in the mask.",
            f"Tissue volumes: {segmentation or 'not measured'}.",
            "Figures of the paper's Tables 1 to 3 come from other images, masks (HD-BET) and "
            "segmentations (SPM): compare rows of one table with each other rather than with them.",
        ]
    )


def _write_tsv(path: Path, frame: "pd.DataFrame") -> None:
    text = frame.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n")
    write_text(path, text)
    write_text(path.with_suffix(".json"), as_json(describe(frame.columns)))


def _draw(
    out: Path, records: Sequence[Mapping[str, Any]], frames: "Mapping[str, pd.DataFrame]"
) -> list[Path]:
    """Draw Figures 3, 4 and 5; give the SVG of plots and the PNG of pictures."""
    from clinica_t1nce.report import draw_volume_differences, save_figure

    shown = []
    if records:
        shown += _draw_examples(out, _typical(records))
    for method, part in frames["volumes"].groupby("segmentation", sort=False):
        rows = part.reset_index(drop=True).assign(set=None)
        for name, members in by_set(rows).items():
            rows.loc[members.index, "set"] = SETS[name]
        several = rows["set"].nunique() > 1
        figure = draw_volume_differences(rows, stratum="set" if several else None)
        _, svg = save_figure(figure, out / "figures" / f"figure5_volume_differences_{method}")
        shown.append(svg)
    return shown


def _draw_examples(out: Path, records: Sequence[Mapping[str, Any]]) -> list[Path]:
    from clinica_t1nce.report import Example, draw_examples, draw_tissue_maps, save_figure

    examples, maps = [], []
    for record in records:
        folder = out / str(record["participant_id"]) / str(record["session_id_t1ce"])
        files = {name: folder / path for name, path in record["files"].items()}
        loaded = {
            name: nifti.load(path) for name, path in record["sources"].items() if name != "T1nce"
        }
        loaded = {BASELINE: loaded.pop(BASELINE), "T1nce": nifti.load(files["T1nce"]), **loaded}
        affine, brain = loaded[BASELINE].affine, nifti.load(files["mask"], constant=True).data > 0
        title = f"{record['participant_id']} {record['session_id_t1ce']}"
        arrays = {name: image.data for name, image in loaded.items()}
        examples.append(Example(title, arrays, affine, brain))
        method = next(iter(record["segmentations"]), None)
        names = {name: f"{method} {name} label-GM_probseg" for name in loaded}
        if set(names.values()) <= set(files):
            found = {
                name: nifti.load(files[key], constant=True).data for name, key in names.items()
            }
            fitting = {volume.shape for volume in found.values()} == {brain.shape}
            if fitting and any(volume.any() for volume in found.values()):
                maps.append(Example(title, found, affine, brain))
    drawn = [save_figure(draw_examples(examples), out / "figures" / "figure3_examples")]
    if maps:
        figure = draw_tissue_maps(maps)
        drawn.append(save_figure(figure, out / "figures" / "figure4_gray_matter_maps"))
    return [png for png, _ in drawn]


def _typical(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Choose pairs for figures: the best, the middle and the worst, by the share recovered."""
    ordered = sorted(records, key=lambda record: -_share(record))
    if len(ordered) <= N_EXAMPLES:
        return ordered
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def _share(record: Mapping[str, Any]) -> float:
    """Give the smallest share that a model recovered, of the first alignment."""
    rows = next(iter(record["similarity"].values()))
    shares = [row["share_smooth"] for row in rows[1:]] or [0.0]
    return min(shares)


def _write_report(
    out: Path,
    records: Sequence[Mapping[str, Any]],
    pairs: "pd.DataFrame",
    tables: Mapping[str, PrintedTable],
    figures: Sequence[Path],
    settings: EvaluationSettings,
) -> None:
    import pandas as pd

    from clinica_t1nce.report import write_group_report

    shown = {
        table.title: pd.DataFrame(list(table.rows), columns=list(table.header))
        for table in tables.values()
    }
    notes = [f"{table.title}: {table.note}" for table in tables.values()]
    left_out = pairs[pairs["status"] == "failed"]
    if not left_out.empty:
        shown["Pairs left out"] = left_out[["participant_id", "session_id_t1ce", "reason"]].fillna(
            ""
        )
    write_group_report(
        out,
        shown,
        figures,
        [_pair_entry(out, record) for record in records],
        "\n\n".join([note(settings), *notes]),
        title="Synthetic T1nce against real ones",
        order="share of the removable error recovered, lowest first",
    )


def _pair_entry(out: Path, record: Mapping[str, Any]) -> Any:
    from clinica_t1nce.report import PageEntry, thumbnails

    page = pair_page_path(out, record)
    rows = next(iter(record["similarity"].values()))
    measures: dict[str, Any] = {"Quality": record.get("quality")}
    for image, row in zip(record["images"], rows, strict=True):
        measures[f"MAE {image}, %"] = row["mae_smooth"]
        if image != BASELINE:
            measures[f"Share {image}"] = row["share_smooth"]
    return PageEntry(
        f"{record['participant_id']} {record['session_id_t1ce']}",
        page.relative_to(out).as_posix() if page.is_file() else None,
        _share(record),
        measures,
        record["flags"],
        visit=Visit(record["participant_id"], record["session_id_t1ce"]),
        has_thumbnail=thumbnails.path_of(page).is_file(),
    )


def pair_page_path(out: Path, record: Mapping[str, Any]) -> Path:
    """Say where the page of a pair belongs."""
    return out / PAGES / f"{record['participant_id']}_{record['session_id_t1ce']}.html"
