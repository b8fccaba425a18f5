"""Whether a tool's new schema still takes, or still promises, what the old one did: compatible, incompatible or unknown.

`compatible` is certain. `incompatible` names a narrowing; that something else happens to exclude the same values is not
always noticed. Everything that is not decided on is `unknown`. Reasons hold upstream text: escape them to show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meshplan.compiler.diff.compat_facts import (
    NUMERIC,
    literal,
    narrowed_numbers,
    narrowed_sizes,
    narrowed_text,
    properties,
    required,
    size,
    types_of,
    values_of,
    weight,
)
from meshplan.compiler.diff.compat_schema import GROUPS, Choice, Conjunction, Side
from meshplan.compiler.diff.compat_values import Node, Sameness, measured
from meshplan.compiler.diff.compat_verdict import (
    MAX_REASONS,
    YES,
    Allowance,
    Direction,
    Verdict,
    at,
    brief,
    narrowed,
    unknown,
    worded,
    worst_of,
)

__all__ = ["Allowance", "Verdict", "compatible"]

_MAX_LEVEL: Final = 48
_MAX_APART: Final = 12
MAX_VALUES: Final = 2_000


def compatible(old: object, new: object, direction: Direction, allowance: Allowance | None = None) -> Verdict:
    """Compare two JSON Schemas of a tool's arguments (``input``) or of its structured result (``output``).

    Input: every argument object that was valid is valid. Output: whatever is valid now was valid before. Total: no
    schema makes it raise, fetch or take long.
    """
    if not (measured(old) and measured(new)):
        return Verdict("unknown", (("", "it is too large or too deep to compare"),))
    same = Sameness(old, new, _OBJECT, _ONLY)
    if same.number(old) == same.number(new):
        return YES
    less, more = (old, new) if direction == "input" else (new, old)
    comparison = _Comparison(Side(less, same), Side(more, same), same, direction, allowance or Allowance())
    lefts = (_OBJECT, less) if direction == "input" else (less,)
    return comparison.subset(lefts, more, "", 0, 0)


_OBJECT: Final[Node] = {"type": "object"}


@dataclass(slots=True)
class _Here:
    """A place in the value: its path, how deep it lies in the value, and how deep the comparison is."""

    path: str
    depth: int
    level: int


class _Comparison:
    """Is everything that the left schemas accept accepted by the right one? Walks both at once."""

    def __init__(self, left: Side, right: Side, same: Sameness, direction: Direction, allowance: Allowance) -> None:
        self._left, self._right, self._same = left, right, same
        self._direction: Direction = direction
        self._allowance = allowance
        self._open: dict[tuple[frozenset[int], int], int] = {}

    def subset(self, lefts: tuple[object, ...], right: object, path: str, depth: int, level: int) -> Verdict:
        """Compare at one place; what is met again deeper in the value holds if everything else does."""
        if right is True or any(self._same.same(left, right) for left in lefts):
            return YES
        if not self._allowance.spend() or level > _MAX_LEVEL:
            return unknown(path, "it is too large or too deep to compare")
        key = (frozenset(map(id, lefts)), id(right))
        if key in self._open:
            return YES if self._open[key] < depth else unknown(path, "it refers to itself")
        self._open[key] = depth
        try:
            return self._fresh(lefts, right, _Here(path, depth, level))
        finally:
            del self._open[key]

    def _fresh(self, lefts: tuple[object, ...], right: object, here: _Here) -> Verdict:
        have, want = self._left.read(lefts), self._right.read((right,))
        self._allowance.spend(sum(1 + weight(flat) for flat in (*have.flats, *want.flats)))
        types = types_of(have.flats)
        if have.never or not types:
            return YES
        doubts = worst_of(unknown(here.path, text) for text in self._doubts(have, want))
        whole = worst_of((doubts, *self._wanted(lefts, have, want, types, here)))
        parts = self._split(have, want, types)
        if doubts != YES:
            sure = whole.kind == "incompatible" and not (parts or have.unreadable or want.unreadable)
            return whole if sure else doubts
        if whole == YES or not parts:
            return whole
        split = worst_of(self.subset(part, right, here.path, here.depth, here.level + 1) for part in parts)
        return whole if whole.kind == "compatible" and split.kind != "compatible" else split

    def _doubts(self, have: Conjunction, want: Conjunction) -> list[str]:
        """What keeps either side from being understood."""
        texts = [*have.unreadable, *want.unreadable]
        differs = {key for key, number in want.unknown.items() if have.unknown.get(key) != number}
        if not have.choices and not want.choices:
            differs |= {key for key in have.unknown if key not in want.unknown}
        return texts + [f"`{key[:40]}` differs, and is not decided on" for key in sorted(differs)]

    def _split(self, have: Conjunction, want: Conjunction, types: frozenset[str]) -> list[tuple[object, ...]]:
        """Smaller left sides that together are the whole: by alternative, by value, by type."""
        flats: tuple[object, ...] = tuple(have.flats)
        if have.choices:
            first, *others = have.choices
            rest = (*flats, *(choice.schema for choice in others))
            return [(*rest, branch) for branch in first.branches]
        values = values_of(have.flats, self._same)
        if values is not None and 1 < len(values) <= MAX_VALUES:
            rest = [{key: flat[key] for key in flat if key not in ("enum", "const")} for flat in have.flats]
            return [(*filter(None, rest), {"const": value}) for value in values.values()]
        names = {"number" if types >= NUMERIC or name == "fraction" else name for name in types & NUMERIC}
        names |= types - NUMERIC
        return [(*flats, _ONLY[name]) for name in sorted(names)] if want.choices and len(names) > 1 else []

    def _wanted(
        self, lefts: tuple[object, ...], have: Conjunction, want: Conjunction, types: frozenset[str], here: _Here
    ) -> list[Verdict]:
        if want.never:
            return [self._no(here.path, "nothing")]
        values = values_of(have.flats, self._same)
        flats = list(have.flats)
        if values is not None and len(values) == 1:
            flats += [literal(value) for value in values.values()]
        found = [self._choice(lefts, have, choice, here) for choice in want.choices]
        for flat in want.flats:
            found += self._scalars(flats, flat, types, values, here)
            if "array" in types:
                found += self._array(flats, flat, here)
            if "object" in types:
                found += self._object(flats, flat, here)
            found += self._opaque(flats, flat, here)
        return found

    def _no(self, path: str, why: str, detail: str = "") -> Verdict:
        return narrowed(self._direction, path, why, detail)

    def _keyword(self, found: str | None, here: _Here) -> list[Verdict]:
        if found is None:
            return []
        if found.startswith("?"):
            return [unknown(here.path, f"`{found[1:]}` differs, and is not decided on")]
        return [self._no(here.path, "bound", found)]

    def _scalars(
        self, flats: Sequence[Node], flat: Node, types: frozenset[str], values: dict[int, object] | None, here: _Here
    ) -> list[Verdict]:
        found: list[Verdict] = []
        missing = sorted(types - types_of([{"type": flat["type"]}])) if "type" in flat else []
        shown = ["number" if name == "fraction" else name for name in missing]
        found += [self._no(here.path, "type", name) for name in dict.fromkeys(shown)]
        if "enum" in flat or "const" in flat:
            asked = values_of([{key: flat[key] for key in ("enum", "const") if key in flat}], self._same) or {}
            if values is None:
                found.append(self._no(here.path, "values"))
            else:
                gone = [value for number, value in values.items() if number not in asked]
                found += [self._no(here.path, "value", brief(value)) for value in gone[:MAX_REASONS]]
        if types & NUMERIC:
            found += self._keyword(narrowed_numbers(flats, flat, types), here)
        if "string" in types:
            found += self._keyword(narrowed_text(flats, flat), here)
        return found

    def _array(self, flats: Sequence[Node], flat: Node, here: _Here) -> list[Verdict]:
        found = self._keyword(narrowed_sizes(flats, flat, "minItems", "maxItems"), here)
        most = size(flats, "maxItems")
        unique = any(mine.get("uniqueItems") is True for mine in flats) or (most is not None and most < 2)
        if flat.get("uniqueItems") is True and not unique:
            found += self._keyword("uniqueItems", here)
        if "items" in flat and "prefixItems" not in flat and most != 0:
            lefts = tuple(mine["items"] for mine in flats if "items" in mine and "prefixItems" not in mine)
            items = self._inner(lefts, flat["items"], f"{here.path}/*", here)
            guessed = any("prefixItems" in mine for mine in flats) and items.kind == "incompatible"
            found.append(Verdict("unknown", items.reasons) if guessed else items)
        return found

    def _object(self, flats: Sequence[Node], flat: Node, here: _Here) -> list[Verdict]:
        always = required(flats)
        lacking = sorted(required([flat]) - always)
        found = [self._no(at(here.path, name), "required") for name in lacking[:MAX_REASONS]]
        found += self._keyword(narrowed_sizes(flats, flat, "minProperties", "maxProperties", sure=len(always)), here)
        declares = here.path == "" and self._direction == "input"
        declares = declares or any("properties" in mine for mine in flats)
        declares = declares and not any("patternProperties" in mine for mine in flats)
        for name, schema in properties(flat).items():
            lefts = _of_property(flats, name)
            verdict = self._inner(lefts, schema, at(here.path, name), here)
            if not lefts and declares and name not in always and verdict != YES:
                verdict = Verdict("compatible", ((at(here.path, name), worded(self._direction, "undeclared")),))
            found.append(verdict)
        if flat.get("additionalProperties", True) is not True:
            found += self._others(flats, flat, here)
        return found

    def _others(self, flats: Sequence[Node], flat: Node, here: _Here) -> list[Verdict]:
        """Properties that the right side does not declare."""
        schema, patterns = flat["additionalProperties"], flat.get("patternProperties")
        declared = dict.fromkeys(name for mine in flats for name in properties(mine))
        found = [
            self._inner(_of_property(flats, name), schema, at(here.path, name), here)
            for name in declared
            if name not in properties(flat)
        ]
        if patterns is not None:
            found = [Verdict("unknown", v.reasons) if v.kind == "incompatible" else v for v in found]
        lefts = tuple(
            mine["additionalProperties"]
            for mine in flats
            if "additionalProperties" in mine
            and ("patternProperties" not in mine or self._same.same(mine["patternProperties"], patterns))
        )
        if not lefts and schema is False:
            return [*found, self._no(here.path, "closed")]
        return [*found, self._inner(lefts, schema, f"{here.path}/*", here)]

    def _opaque(self, flats: Sequence[Node], flat: Node, here: _Here) -> list[Verdict]:
        """Keywords that are not looked into: implied where a left side has just the same."""
        found: list[Verdict] = []
        for group in GROUPS:
            keys = [key for key in group if key in flat]
            alike = (*group, "items") if "prefixItems" in keys else group
            if keys and not any(self._equal(mine, flat, alike) for mine in flats):
                found.append(unknown(here.path, f"`{keys[0]}` differs, and is not decided on"))
        return found

    def _equal(self, left: Node, right: Node, keys: Iterable[str]) -> bool:
        present = [key for key in keys if key in left or key in right]
        return all(key in left and key in right and self._same.same(left[key], right[key]) for key in present)

    def _inner(self, lefts: tuple[object, ...], right: object, path: str, here: _Here) -> Verdict:
        return self.subset(lefts, right, path, here.depth + 1, here.level + 1)

    def _choice(self, lefts: tuple[object, ...], have: Conjunction, choice: Choice, here: _Here) -> Verdict:
        if any(self._same_choice(mine, choice, here) for mine in have.choices):
            return YES
        fits: list[Verdict] = []
        for index, branch in enumerate(choice.branches):
            fit = self.subset(lefts, branch, here.path, here.depth, here.level + 1)
            if fit.kind == "compatible" and choice.exclusive:
                others = [other for at, other in enumerate(choice.branches) if at != index]
                if not all(self._apart(lefts, (other,), 0) for other in others):
                    fit = unknown(here.path, "whether only one alternative fits is not decided on")
            if fit == YES:
                return fit
            fits.append(fit)
        for kind in ("compatible", "unknown"):
            for fit in fits:
                if fit.kind == kind:
                    return fit
        return fits[0] if len(fits) == 1 else self._no(here.path, "choice")

    def _same_choice(self, mine: Choice, its: Choice, here: _Here) -> bool:
        """The same alternatives in the same order, word for word or each within the other."""
        if mine.exclusive != its.exclusive or len(mine.branches) != len(its.branches):
            return False
        pairs = list(zip(mine.branches, its.branches, strict=True))
        if all(self._same.same(a, b) for a, b in pairs):
            return True
        if not its.exclusive:
            return False
        back = _Comparison(self._right, self._left, self._same, "input", self._allowance)
        place = (here.path, here.depth, here.level + 1)
        return all(self.subset((a,), b, *place) == YES and back.subset((b,), a, *place) == YES for a, b in pairs)

    def _apart(self, lefts: tuple[object, ...], rights: tuple[object, ...], deep: int) -> bool:
        """Whether surely nothing is accepted by both."""
        if deep > _MAX_APART or not self._allowance.spend():
            return False
        have, want = self._left.read(lefts), self._right.read(rights)
        types, others = types_of(have.flats), types_of(want.flats)
        if have.never or want.never or not types & others:
            return True
        mine, its = values_of(have.flats, self._same), values_of(want.flats, self._same)
        if mine is not None and its is not None and not mine.keys() & its.keys():
            return True
        if types & others == frozenset(("object",)):
            for name in sorted(required(have.flats) | required(want.flats)):
                pair = _of_property(have.flats, name), _of_property(want.flats, name)
                if self._apart(*pair, deep + 1):
                    return True
        if not have.choices:
            return False
        first, *more = have.choices
        rest = (*have.flats, *(choice.schema for choice in more))
        return all(self._apart((*rest, branch), rights, deep + 1) for branch in first.branches)


_ONLY: Final[dict[str, Node]] = {
    name: {"type": name} for name in ("null", "boolean", "integer", "number", "string", "array", "object")
}


def _of_property(flats: Iterable[Node], name: str) -> tuple[object, ...]:
    """What the flats ask of one property; nothing where none of them speaks of it."""
    found: list[object] = []
    for flat in flats:
        declared = properties(flat)
        if name in declared:
            found.append(declared[name])
        elif "additionalProperties" in flat and "patternProperties" not in flat:
            found.append(flat["additionalProperties"])
    return tuple(found)
