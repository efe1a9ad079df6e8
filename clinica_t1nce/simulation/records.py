"""From the numbers that were written beside a pair back to its recipe."""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from clinica_t1nce.simulation import effects, scanner
from clinica_t1nce.simulation.simulator import Recipe

_NAMES = {"effects": ("effect", effects), "steps": ("step", scanner)}
"""Of the fields that hold parts of any class: the key of the class's name, and where it is."""


def recipe_of(numbers: Mapping[str, Any]) -> Recipe:
    """Undo :meth:`~clinica_t1nce.simulation.simulator.Recipe.numbers`, through JSON as well.

    With the anatomy of the same label map and the same shape, the recipe makes the same pair.

    Parameters
    ----------
    numbers
        What a sidecar of ``clinica-t1nce simulate`` holds as ``Simulation`` / ``Recipe``.

    Raises
    ------
    KeyError, TypeError
        If they were not written by this version.
    """
    recipe: Recipe = _build(Recipe, numbers)
    return recipe


def _build(kind: type, numbers: Mapping[str, Any]) -> Any:
    """Make a dataclass of its fields' numbers."""
    hints = get_type_hints(kind)
    return kind(
        **{
            field.name: _named(field.name, numbers[field.name])
            if field.name in _NAMES
            else _convert(hints[field.name], numbers[field.name])
            for field in fields(kind)
            if field.init
        }
    )


def _named(field: str, parts: list[Mapping[str, Any]]) -> tuple:
    key, room = _NAMES[field]
    return tuple(_build(getattr(room, part[key]), part) for part in parts)


def _convert(hint: Any, value: Any) -> Any:
    """Make of a value that came from JSON what a type hint asks for."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _convert(_chosen(hint, value), value)
    if origin is tuple:
        kinds = get_args(hint)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        return tuple(_convert(k, v) for k, v in zip(kinds, value, strict=True))
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return _build(hint, value)
    return hint(value)


def _chosen(union: Any, value: Any) -> Any:
    """Choose among the kinds of a union: the sequences name theirs, other unions are optional."""
    kinds = [kind for kind in get_args(union) if kind is not type(None)]
    if len(kinds) == 1:
        return kinds[0]
    return next(kind for kind in kinds if kind.kind == value["kind"])
