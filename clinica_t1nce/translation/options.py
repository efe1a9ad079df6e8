"""What the user may choose: the one definition of each option."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from clinica_t1nce.caps import names
from clinica_t1nce.caps.names import Space
from clinica_t1nce.caps.query import Rule
from clinica_t1nce.errors import SelectionError

Device = Literal["auto", "cpu", "cuda"]
Blend = Literal["replace", "change"]


MODEL, INPUT, OUTPUT = GROUPS = ("Model", "Input", "Output")
"""Groups in which commands show the options."""


def _shown(
    text: str,
    group: str | None = None,
    *,
    argument: str | None = None,
    metavar: str | None = None,
    of_file: bool = False,
    of_nodes: bool = True,
) -> dict[str, Any]:
    """Give the metadata of an option: help text, and how and in which group commands show it."""
    return {
        "help": text,
        "group": group,  # None: commands do not show it
        "argument": argument,  # name in commands, if it is not the field's with hyphens
        "metavar": metavar,
        "of_file": of_file,  # it names a file, not a folder
        "of_nodes": of_nodes,  # the nodes that make the images need it
    }


@dataclass(frozen=True)
class Options:
    """What the user may choose.

    The fields are the inputs of :class:`clinica_t1nce.interfaces.SynthesizeT1nce`, the keywords of
    :func:`clinica_t1nce.workflows.init_synthesis_wf`, the parameters of the pipeline and the
    options of ``t1-synth-nce``; ``Options.describe("blend")`` is the help text of one.

    Raises
    ------
    SelectionError
        If a value is unknown, or the native space lacks a BIDS.

    Examples
    --------
    >>> Options(output_spaces=["mni", "mni"]).output_spaces
    ('mni',)
    >>> Options(blend="smear")
    Traceback (most recent call last):
    clinica_t1nce.errors.SelectionError: unknown blend 'smear'; known: replace, change
    """

    model: str = field(
        default="default",
        metadata=_shown(
            "Model: default, fast, the name of other weights that come with clinica-t1nce, or a "
            ".safetensors file with its .json card beside it.",
            MODEL,
            metavar="NAME|FILE",
        ),
    )
    device: Device = field(
        default="auto",
        metadata=_shown("Where the network runs; auto takes a CUDA GPU if there is one.", MODEL),
    )
    n_threads: int | None = field(
        default=None,
        metadata=_shown("Threads of PyTorch in each process; all cores if not given."),
    )
    select: Rule | None = field(
        default=None,
        metadata=_shown(
            "What makes an image a T1ce: metadata, the BIDS entity ce- and, with --bids-directory, "
            "the contrast agent in sidecar or scans.tsv; tsv, being listed by -tsv; all, being "
            "there; image, what it shows (as `clinica-t1nce detect`).  "
            "[default: tsv with -tsv, else metadata]",
            INPUT,
        ),
    )
    include_t1nce: bool = field(
        default=False,
        metadata=_shown(
            "Take the other images, too: all go through the same generator then, so that how "
            "smooth an image is does not tell which ones had gadolinium.",
            INPUT,
        ),
    )
    bids_directory: Path | None = field(
        default=None,
        metadata=_shown(
            "The BIDS that t1-linear read: needed for --output-space native, used by --select.",
            INPUT,
        ),
    )
    agent_words: Path | None = field(
        default=None,
        metadata=_shown(
            "TSV file with the columns word and meaning (given, none or nothing): what words for "
            "the contrast agent, in the metadata of the BIDS, mean that are not known.",
            INPUT,
            of_file=True,
            of_nodes=False,
        ),
    )
    shard: str | None = field(
        default=None,
        metadata=_shown(
            "Part of the visits to work on, such as 3/10: the third of ten that share no visit "
            "and leave none out. For array jobs of any scheduler.",
            INPUT,
            metavar="I/N",
            of_nodes=False,
        ),
    )
    output_spaces: tuple[Space, ...] = field(
        default=(names.MNI_CROP,),
        metadata=_shown(
            "Grid of the T1nce: mni-crop, that of t1-linear's crop; mni, that of its whole image; "
            "native, that of the raw image, whose values and resolution stay where nothing is "
            "removed. May be given several times.",
            OUTPUT,
            argument="--output-space",
        ),
    )
    blend: Blend = field(
        default="replace",
        metadata=_shown(
            "Of models that predict whole images: replace takes the image as it is, with the blur "
            "of its grid; change takes from the T1ce what the model changed. The native space "
            "always takes the change.",
            OUTPUT,
        ),
    )
    save_enhancement: bool = field(
        default=False,
        metadata=_shown(
            "Also write what was removed (T1ce - T1nce) and a mask of the vessels in it.",
            OUTPUT,
        ),
    )
    report: bool = field(
        default=True,
        metadata=_shown(
            "Write no HTML page an image, and no index of them (in t1_synth_nce_report/).",
            OUTPUT,
            argument="--no-report",
        ),
    )
    reports_only: bool = field(
        default=False,
        metadata=_shown(
            "Translate nothing: make the pages of the images that are there anew, and their index.",
            OUTPUT,
            of_nodes=False,
        ),
    )
    keep_existing: bool = field(
        default=False,
        metadata=_shown(
            "Leave images that are there already, from the same sources and weights, as they are.",
        ),
    )

    def __post_init__(self) -> None:
        """Check the values, and bring them to their types."""
        set_value = object.__setattr__
        set_value(self, "model", str(self.model))
        set_value(self, "output_spaces", tuple(dict.fromkeys(self.output_spaces)))
        for name in ("bids_directory", "agent_words"):
            if getattr(self, name) is not None:
                set_value(self, name, Path(getattr(self, name)).absolute())
        if self.agent_words is not None and self.bids_directory is None:
            raise SelectionError(
                "--agent-words is for words in the metadata of a BIDS: name it with "
                "--bids-directory"
            )
        if self.reports_only and not self.report:
            raise SelectionError("--reports-only and --no-report: give one of them")
        for option in fields(self):
            value = getattr(self, option.name)
            known = choices(option.name)
            if value is None or not known:
                continue
            for item in value if isinstance(value, tuple) else (value,):
                if item not in known:
                    raise SelectionError(
                        f"unknown {option.name.removesuffix('s').replace('_', ' ')} {item!r}; "
                        f"known: {', '.join(known)}"
                    )
        if names.NATIVE in self.output_spaces and self.bids_directory is None:
            raise SelectionError(
                "the native space is the grid of the raw images: name the BIDS that t1-linear "
                "read with --bids-directory"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Options":
        """Make options of their names and values.

        Raises
        ------
        SelectionError
            If a name or value is unknown.
        """
        known = [option.name for option in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise SelectionError(f"unknown parameters {unknown}; known: {', '.join(known)}")
        return cls(**values)

    @classmethod
    def describe(cls, name: str) -> str:
        """Give the help text of an option."""
        return str(definition(name).metadata["help"])

    @classmethod
    def names(cls, group: str | None = None) -> list[str]:
        """List the options that the nodes need, or those of a group."""
        about = {option.name: option.metadata for option in fields(cls)}
        if group is None:
            return [name for name, more in about.items() if more["of_nodes"]]
        return [name for name, more in about.items() if more["group"] == group]

    @property
    def decides_by_image(self) -> bool:
        """Whether the network itself is to tell which images are T1ce."""
        return self.select == "image"


def definition(name: str) -> "Field[Any]":
    """Give the definition of an option: its default, and its ``metadata`` for commands."""
    return Options.__dataclass_fields__[name]


def kind(name: str) -> Any:
    """Give the type of an option's values, of one of them where there may be several."""
    found = _KINDS[name]
    if get_origin(found) is Literal or not get_args(found):
        return found
    return next(item for item in get_args(found) if item not in (NoneType, Ellipsis))


def choices(name: str) -> tuple[str, ...]:
    """List the values that an option may have; none where it takes any."""
    found = kind(name)
    return get_args(found) if get_origin(found) is Literal else ()


_KINDS = get_type_hints(Options)
