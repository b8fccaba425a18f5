"""Reads the language's own types along an error's location, so that a diagnostic can name keys and places."""

from __future__ import annotations

import types
from functools import cache
from inspect import get_annotations
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from meshplan.compiler.diagnostics import Part, Path


def walk(model: type[BaseModel], location: tuple[Part, ...]) -> tuple[Path, Any]:
    """The document path of a pydantic location (union tags left out), and the type expected at its end."""
    path: list[Part] = []
    expected: Any = model
    for part in location:
        expected, part_of_document = _step(_bare(expected), part)
        if part_of_document:
            path.append(part)
    return tuple(path), _bare(expected)


def keys_of(expected: Any) -> tuple[str, ...]:
    """The keys that a mapping of this type may have; none where any key is fine."""
    if isinstance(expected, type) and issubclass(expected, BaseModel):
        return _keys(expected)
    return ()


def held_by(expected: Any, key: str) -> Any:
    """The type of what stands under a key, or ``None``."""
    return _bare(_step(expected, key)[0]) if key in keys_of(expected) else None


@cache
def inner_keys(model: Any) -> dict[str, tuple[str, ...]]:
    """The keys of each mapping that stands under a key of ``model``."""
    return {key: keys_of(held_by(model, key)) for key in keys_of(model)}


def alternatives(expected: Any) -> tuple[str, ...]:
    """The keys by one of which a choice of mappings is made: each member's first that it needs."""
    members = get_args(expected) if get_origin(expected) in (Union, types.UnionType) else ()
    keys = [_first_needed(_bare(member)) for member in members]
    return tuple(key for key in keys if key is not None)


def _first_needed(model: Any) -> str | None:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    needed = (field.alias or name for name, field in _own_first(model) if field.is_required())
    return next(needed, None)


def _own_first(model: type[BaseModel]) -> list[tuple[str, Any]]:
    own = get_annotations(model)
    return sorted(model.model_fields.items(), key=lambda item: item[0] not in own)


@cache
def _keys(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _step(expected: Any, part: Part) -> tuple[Any, bool]:
    """The type one part further in, and whether the part stands in the document (a union's tag does not)."""
    if part == "[key]":
        return None, True
    if isinstance(expected, type) and issubclass(expected, BaseModel):
        for name, field in expected.model_fields.items():
            if part in (name, field.alias):
                return (Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation), True
        return None, True
    origin = get_origin(expected)
    if origin is dict:
        return get_args(expected)[1], True
    if origin is list:
        return get_args(expected)[0], True
    if origin in (Union, types.UnionType):
        return _tagged(expected, part), False
    return None, True


def _tagged(union: Any, part: Part) -> Any:
    for member in get_args(union):
        if get_origin(member) is Annotated and any(isinstance(m, Tag) and m.tag == part for m in get_args(member)[1:]):
            return get_args(member)[0]
    return None


def _bare(expected: Any) -> Any:
    """Without annotations and without `None`."""
    while True:
        if get_origin(expected) is Annotated:
            expected = get_args(expected)[0]
        elif get_origin(expected) in (Union, types.UnionType):
            members = [member for member in get_args(expected) if member is not type(None)]
            if len(members) != 1:
                return expected
            expected = members[0]
        else:
            return expected
