"""What a conjunction of schema nodes promises about a value's type, values, size and bounds; knows no references."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from meshplan.compiler.diff.compat_schema import TYPES
from meshplan.compiler.diff.compat_values import Node, Sameness, as_list, as_node

EVERY: Final = frozenset[str]().union(*TYPES.values())
NUMERIC: Final = TYPES["number"]
_FEW: Final = frozenset(("null", "boolean"))


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit; ``open`` where the limit itself is outside."""

    at: float
    open: bool

    def within(self, other: Bound, sign: int) -> bool:
        """Whether this limit is at least as tight; ``sign`` is 1 for lower limits and -1 for upper ones."""
        mine, its = sign * self.at, sign * other.at
        return mine > its or (mine == its and (self.open or not other.open))


def types_of(flats: Iterable[Node]) -> frozenset[str]:
    """The types that are possible, `integer` and `fraction` apart."""
    found = EVERY
    for flat in flats:
        if "type" in flat:
            names = as_list(flat["type"]) or [flat["type"]]
            found &= frozenset[str]().union(*(TYPES[str(name)] for name in names))
        if "enum" in flat or "const" in flat:
            found &= {type_of(value) for value in _listed(flat)}
    return found


def type_of(value: object) -> str:
    """The type of one JSON value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if math.isfinite(value) and value == int(value) else "fraction"
    return "string" if isinstance(value, str) else "array" if as_list(value) is not None else "object"


def _listed(flat: Node) -> Sequence[object]:
    return [flat["const"]] if "const" in flat else as_list(flat.get("enum")) or ()


def values_of(flats: Sequence[Node], same: Sameness) -> dict[int, object] | None:
    """The only possible values by their numbers, where they are listed."""
    found: dict[int, object] | None = None
    for flat in flats:
        for key in ("const", "enum"):
            if key in flat:
                listed = [flat[key]] if key == "const" else as_list(flat[key]) or ()
                numbered = {same.number(value): value for value in listed}
                found = numbered if found is None else {n: v for n, v in found.items() if n in numbered}
    types = types_of(flats)
    if found is None and types <= _FEW:
        found = {same.number(value): value for value in (None, False, True) if type_of(value) in types}
    return None if found is None else {n: v for n, v in found.items() if type_of(v) in types}


def literal(value: object) -> Node:
    """A schema that says of exactly one value what keywords other than `const` could ask; it may accept more."""
    kind = type_of(value)
    match kind:
        case "string":
            return {"type": "string", "minLength": len(str(value)), "maxLength": len(str(value))}
        case "integer" | "fraction" if math.isfinite(cast("float", value)):
            return {"type": "number", "minimum": value, "maximum": value}
        case "array":
            items = as_list(value) or ()
            return {"type": "array", "minItems": len(items), "maxItems": len(items), "items": {"enum": list(items)}}
        case "object":
            members = as_node(value) or {}
            parts: dict[str, object] = {name: {"const": part} for name, part in members.items()}
            return {"type": "object", "required": list(members), "properties": parts, "additionalProperties": False}
        case _:
            return {}


def bound(flats: Iterable[Node], sign: int, *, whole: bool) -> Bound | None:
    """The tightest lower (``sign`` 1) or upper (-1) limit; ``whole`` where only integers are possible."""
    inclusive, exclusive = ("minimum", "exclusiveMinimum") if sign > 0 else ("maximum", "exclusiveMaximum")
    tightest: Bound | None = None
    for flat in flats:
        for key in (inclusive, exclusive):
            if key in flat:
                found = Bound(cast("float", flat[key]), key == exclusive)
                found = _whole(found, sign) if whole else found
                if tightest is None or found.within(tightest, sign):
                    tightest = found
    return tightest


def _whole(limit: Bound, sign: int) -> Bound:
    rounded = math.ceil(limit.at) if sign > 0 else math.floor(limit.at)
    return Bound(rounded + sign if limit.open and rounded == limit.at else rounded, open=False)


def size(flats: Iterable[Node], key: str) -> int | None:
    """The tightest `min…` or `max…` of the flats."""
    found = [int(cast("float", flat[key])) for flat in flats if key in flat]
    if not found:
        return None
    return max(found) if key.startswith("min") else min(found)


def required(flats: Iterable[Node]) -> set[str]:
    """The properties that an object must have."""
    return {str(name) for flat in flats for name in as_list(flat.get("required")) or ()}


def properties(flat: Node) -> Node:
    """The declared properties of one flat."""
    return as_node(flat.get("properties")) or {}


def narrowed_numbers(flats: Sequence[Node], right: Node, types: frozenset[str]) -> str | None:
    """The first keyword on numbers that ``right`` has and the flats do not promise; `?` before it where undecided."""
    whole = "integer" in types and "fraction" not in types
    for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        if key in right:
            sign = 1 if key.lower().endswith("minimum") else -1
            mine = bound(flats, sign, whole=whole)
            asked = Bound(cast("float", right[key]), key.startswith("exclusive"))
            if mine is None or not mine.within(_whole(asked, sign) if whole else asked, sign):
                return key
    if "multipleOf" in right:
        return _narrowed_step(flats, cast("float", right["multipleOf"]), whole=whole)
    return None


def _narrowed_step(flats: Sequence[Node], step: float, *, whole: bool) -> str | None:
    steps = [cast("float", flat["multipleOf"]) for flat in flats if "multipleOf" in flat]
    if step in steps or (whole and step == 1):
        return None
    exact = isinstance(step, int) and all(isinstance(mine, int) for mine in steps)
    if exact and any(mine % step == 0 for mine in steps):
        return None
    single = any("const" in flat or "enum" in flat for flat in flats)
    return "multipleOf" if exact and not steps and not single else "?multipleOf"


def narrowed_text(flats: Sequence[Node], right: Node) -> str | None:
    """The like for keywords on strings."""
    if found := narrowed_sizes(flats, right, "minLength", "maxLength"):
        return found
    if "pattern" in right:
        patterns = [flat["pattern"] for flat in flats if "pattern" in flat]
        if right["pattern"] not in patterns:
            single = any("const" in flat or "enum" in flat for flat in flats)
            return "?pattern" if patterns or single else "pattern"
    return None


def narrowed_sizes(flats: Sequence[Node], right: Node, least: str, most: str, *, sure: int = 0) -> str | None:
    """The like for a pair of sizes; ``sure`` is a size that is reached anyway."""
    if least in right and max(size(flats, least) or 0, sure) < cast("float", right[least]):
        return least
    mine = size(flats, most)
    return most if most in right and (mine is None or mine > cast("float", right[most])) else None


def weight(flat: Node) -> int:
    """How much work a flat makes beyond its keywords, in steps."""
    return (
        len(as_list(flat.get("enum")) or ()) + len(properties(flat)) + len(as_list(flat.get("required")) or ())
    ) // 8
