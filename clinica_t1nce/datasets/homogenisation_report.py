"""What became of the visits of a homogenised data set."""

from collections import Counter
from dataclasses import dataclass, field

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import sidecar
from clinica_t1nce.datasets.choices import ACQUIRED, REGENERATED, SYNTHETIC
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest, overwriting_command
from clinica_t1nce.errors import some


@dataclass
class Report:
    """What became of the visits.

    Attributes
    ----------
    new
        Visits whose image was put there now.
    there
        Visits whose image was there already, and was not touched.
    outdated
        Visits of `there` for which another image would be taken now.
    again
        Number of visits of `new` whose image was there, by the reason why it was made again.
    missing
        Visits that have no T1nce, acquired or synthetic.
    missing_crops
        Visits whose image has none on the crop's grid, and that a CAPS of crops lacks therefore.
    failed
        Reasons by visit, of visits that have no image although there is one.
    unknown_words
        Words on contrast agents that are not known, in one line.
    kinds
        Visits by kind of image, in the whole data set.
    mixed_versions
        Warning of crops that different versions of t1-linear made.
    """

    new: list[Visit] = field(default_factory=list)
    there: list[Visit] = field(default_factory=list)
    outdated: list[Visit] = field(default_factory=list)
    again: Counter[sidecar.Lack] = field(default_factory=Counter)
    missing: tuple[Visit, ...] = ()
    missing_crops: tuple[Visit, ...] = ()
    failed: dict[Visit, str] = field(default_factory=dict)
    unknown_words: str | None = None
    kinds: dict[str, int] = field(
        default_factory=lambda: {ACQUIRED: 0, REGENERATED: 0, SYNTHETIC: 0}
    )
    mixed_versions: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every visit has its image, and its crop where crops were asked for."""
        return not (self.missing or self.missing_crops or self.failed)


def summarise(report: Report, request: HomogenisationRequest) -> list[str]:
    """Tell, in lines, what became of the visits and what to do next."""
    kinds, out = report.kinds, request.out
    lines = [
        f"{_count_sessions(sum(kinds.values()))} with one T1nce in {out}: "
        f"{', '.join(f'{number} {kind}' for kind, number in kinds.items() if number)}; "
        f"{len(report.new)} new"
    ]
    lines += [
        f"{number} of them made again: {sidecar.LACKS[why]}" for why, number in report.again.items()
    ]
    if report.outdated:
        lines.append(
            f"{len(report.outdated)} of them hold another image than would be taken now "
            f"({some(report.outdated, most=3)}); to take it: {overwriting_command(request)}"
        )
    if report.missing:
        lines.append(
            f"{_count_sessions(len(report.missing))} without: their images have no synthetic T1nce "
            f"({some(report.missing, most=3)}); run `clinica run t1-synth-nce` for them"
        )
    if report.missing_crops:
        lines.append(
            f"{_count_sessions(len(report.missing_crops))} without a crop in the CAPS: their "
            f"images were not made on t1-linear's grid ({some(report.missing_crops, most=3)}); "
            "run `clinica run t1-synth-nce` for them with --output-space mni-crop"
        )
    lines += [f"  {visit}: {reason}" for visit, reason in report.failed.items()]
    if report.unknown_words:
        lines.append(report.unknown_words)
    if report.mixed_versions:
        lines.append(f"Warning: {report.mixed_versions}")
    lines.append(
        f"Next: clinica run t1-volume-tissue-segmentation {out} CAPS_OF_VOLUMES (a new folder: "
        "Clinica skips the visits that a CAPS holds a segmentation of, whatever it was made from)"
    )
    return lines


def _count_sessions(number: int) -> str:
    return f"{number} session" + ("s" if number != 1 else "")
