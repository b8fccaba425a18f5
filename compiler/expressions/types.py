"""What the checker knows about a value before it exists; every type is a set of JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Scalar:
    """`null`, `bool`, `int`, `double` or `string`; `values` lists the only possible ones where the schema does."""

    name: str
    values: frozenset[str | int] | None = None


@dataclass(frozen=True, slots=True)
class Dyn:
    """Anything."""


@dataclass(frozen=True, slots=True)
class ListType:
    """A list whose elements have one type."""

    item: Type


@dataclass(frozen=True, slots=True)
class Field:
    """What a key of a map holds, and whether the map always has it."""

    type: Type
    required: bool = True


@dataclass(frozen=True, slots=True)
class MapType:
    """A map with string keys: the declared `fields`, and what any other key may hold (`rest`, None for no other).

    `declared` maps are written with fields in mind, so an unknown field is taken for a mistake although `rest` is open.
    """

    fields: Mapping[str, Field]
    rest: Type | None

    @property
    def declared(self) -> bool:
        """Whether the schema names fields."""
        return bool(self.fields) or self.rest is None


@dataclass(frozen=True, slots=True)
class Union:
    """One of several types; never nested, never with `Dyn`."""

    options: tuple[Type, ...]


Type: TypeAlias = Scalar | Dyn | ListType | MapType | Union

MAX_OPTIONS: Final = 32
DYN: Final = Dyn()
NULL: Final = Scalar("null")
BOOL: Final = Scalar("bool")
INT: Final = Scalar("int")
DOUBLE: Final = Scalar("double")
STRING: Final = Scalar("string")


def nothing_known() -> MapType:
    """Return the type of a map of which nothing is known."""
    return MapType(MappingProxyType({}), DYN)


def record(**fields: Type | Field) -> MapType:
    """Return a map with exactly these fields: `record(sub=STRING, user=Field(STRING, required=False))`."""
    return MapType({name: kind if isinstance(kind, Field) else Field(kind) for name, kind in fields.items()}, None)


def union(kinds: Iterable[Type]) -> Type:
    """Join types: flat, `DYN` where any is or where there are too many; scalars of one name are merged."""
    found: list[Type] = []
    for kind in kinds:
        found.extend(options(kind))
    if len(found) == 1:
        return found[0]
    merged = _merge_scalars(found)
    if not merged or len(merged) > MAX_OPTIONS or any(isinstance(option, Dyn) for option in merged):
        return DYN
    return merged[0] if len(merged) == 1 else Union(tuple(merged))


def _merge_scalars(options: list[Type]) -> list[Type]:
    values: dict[str, frozenset[str | int] | None] = {}
    for option in options:
        if isinstance(option, Scalar):
            known = values.get(option.name, frozenset())
            values[option.name] = None if known is None or option.values is None else known | option.values
    scalars: list[Type] = [Scalar(name, allowed) for name, allowed in values.items()]
    others = {id(option): option for option in options if not isinstance(option, Scalar)}
    return scalars + list(others.values())


def options(kind: Type) -> tuple[Type, ...]:
    """Return the alternatives of a type."""
    return kind.options if isinstance(kind, Union) else (kind,)


def without_null(kind: Type) -> Type:
    """Remove null from a union."""
    return union(option for option in options(kind) if option != NULL) if isinstance(kind, Union) else kind


def show(kind: Type) -> str:
    """Name a type for a message."""
    match kind:
        case Scalar(name):
            return name
        case Dyn():
            return "any value"
        case ListType():
            return "list"
        case MapType():
            return "map"
        case Union(parts):
            return " or ".join(sorted({show(part) for part in parts}))
