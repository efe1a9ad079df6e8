"""What Clinica's own readers find in a CAPS, for every pattern that Clinica 0.12 knows."""

import inspect
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from clinica.utils import input_files
from clinica.utils.exceptions import ClinicaCAPSError
from clinica.utils.inputs import clinica_file_reader, clinica_group_reader

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "tissue_number": (1, 2, 3, 4, 5, 6),
    "modulation": (True, False),
    "group_label": ("AD",),
    "fwhm": (0, 8),
    "i": (1,),
    "measure": tuple(input_files.DTIBasedMeasure),
    "space": ("mni", "T1w"),
    "tracer": tuple(input_files.Tracer),
    "acq_label": tuple(input_files.Tracer),
    "reconstruction": (None, *input_files.ReconstructionMethod),
    "suvr_reference_region": tuple(input_files.SUVRReferenceRegion),
    "use_brainmasked_image": (True, False),
    "use_pvc_data": (True, False),
    "uncropped_image": (True, False),
    "resolution": (None, 1),
}
"""Values to try for each parameter of the functions that make patterns."""

OF_THE_CALLER = {"custom_group", "custom_pipeline"}
"""Functions that only hand back a pattern that they were given."""


def every_query() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and query of each dictionary, and of each function for all its arguments."""
    for name, item in vars(input_files).items():
        if isinstance(item, dict) and "pattern" in item:
            yield name, item
        elif inspect.isfunction(item) and item.__module__ == input_files.__name__:
            if name.startswith("_") or name == "aggregator" or name in OF_THE_CALLER:
                continue
            parameters = list(inspect.signature(item).parameters)
            for values in product(*(ARGUMENTS[parameter] for parameter in parameters)):
                yield f"{name}{values}", item(**dict(zip(parameters, values, strict=True)))


def answers(caps: Path, visits: list[tuple[str, str]]) -> dict[str, Any]:
    """Give what each query finds for the visits, and in the data set as a whole."""
    subjects, sessions = map(list, zip(*visits, strict=True))
    found: dict[str, Any] = {}
    for name, query in every_query():
        files, errors = clinica_file_reader(subjects, sessions, caps, query)
        try:
            group: Any = clinica_group_reader(caps, {"needed_pipeline": "", **query}, False)
        except ClinicaCAPSError as error:
            group = str(error)
        found[name] = (sorted(files), sorted(errors), group if "group" in name else None)
    return found
