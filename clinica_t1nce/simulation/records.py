"""Recipes as plain numbers, to write beside a pair, and back."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import cattrs

from clinica_t1nce.simulation import effects, scanner
from clinica_t1nce.simulation.relaxation import GradientEcho, Mprage, SpinEcho
from clinica_t1nce.simulation.simulator import Recipe


def numbers_of(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain numbers, fit for JSON; :func:`recipe_of` undoes it."""
    numbers: dict[str, Any] = _converter().unstructure(recipe)
    return numbers


def recipe_of(numbers: Mapping[str, Any]) -> Recipe:
    """Undo :func:`numbers_of`, through JSON as well.

    With the anatomy of the same label map and the same shape, the recipe makes the same pair.

    Parameters
    ----------
    numbers
        Numbers that a sidecar of ``clinica-t1nce simulate`` holds as ``Simulation`` / ``Recipe``.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        If they were not written by this version.
    """
    return _converter().structure(numbers, Recipe)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    _name(converter, "effect", effects.Effect, effects)
    _name(converter, "step", scanner.Step, scanner)
    sequences = {kind.kind: kind for kind in (Mprage, GradientEcho, SpinEcho)}
    converter.register_structure_hook(
        Mprage | GradientEcho | SpinEcho,
        lambda numbers, _: converter.structure(numbers, sequences[numbers["kind"]]),
    )
    return converter


def _name(converter: cattrs.Converter, key: str, base: type, room: ModuleType) -> None:
    """Let the parts of a recipe that are of some class below `base` name it under `key`."""

    def write(part: Any) -> dict[str, Any]:
        return {key: type(part).__name__, **converter.unstructure(part)}

    def read(numbers: Mapping[str, Any], _: Any) -> Any:
        return converter.structure(numbers, getattr(room, numbers[key]))

    converter.register_unstructure_hook_func(lambda kind: kind is base, write)
    converter.register_structure_hook_func(lambda kind: kind is base, read)
