"""The smallest test that tells a mutant from the mesh: a principal, a call and, where a condition asks, arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice, product
from typing import Any, cast

from meshplan.compiler.access.judge import Judge
from meshplan.compiler.access.naming import shown_as
from meshplan.compiler.diff.model import AccessChange, Who
from meshplan.compiler.diff.terms import IF, UNLESS, UNTIL
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.decide import Principal
from meshplan.schemas.plan import Access, Plan
from meshplan.schemas.surface import declared_arguments

MAX_TRIES = 400
MOST_CHANGES = 64
_SOME = {"user:*": "user:someone", "agent:*": "agent:some-agent"}


@dataclass(frozen=True, slots=True)
class Killer:
    """A test in the words of a test file; ``certain`` where it was tried: it passes on the mesh and fails on the mutant."""

    endpoint: str
    caller: str
    call: str
    arguments: Mapping[str, Any] | None
    expect: str
    certain: bool
    now: str | None = None
    """The day that its file must be judged as of, where that is not the one of the run."""


def killer(bundle: Bundle, access: Access, changes: Sequence[AccessChange], today: date) -> Killer | None:
    """The smallest test that is known to fail on the mutant, else one that may."""
    ends = {grant.expires for grant in (*bundle.plan.access.grants, *access.grants) if grant.expires is not None}
    found = _smallest(bundle, access, changes, today)
    for day in sorted(date.fromisoformat(end) for end in ends):
        if (found is None or not found.certain) and day > today:
            later = _smallest(bundle, access, changes, day)
            found = replace(later, now=day.isoformat()) if later is not None and later.certain else found
    return found


def _smallest(bundle: Bundle, access: Access, changes: Sequence[AccessChange], today: date) -> Killer | None:
    real = Judge(bundle.plan, bundle.definitions, today)
    other = Judge(bundle.plan.model_copy(update={"access": access}), bundle.definitions, today)
    near = sorted((change for change in changes if not change.via), key=lambda change: change.kind != "tool")
    tried = (_tried(bundle, real, other, c, who) for c in near[:MOST_CHANGES] for who in (*c.gained, *c.lost))
    return min(tried, key=_size, default=None)


def _size(found: Killer) -> tuple[bool, int, int]:
    return not found.certain, len(found.arguments or ()), len(found.caller.split())


def _tried(bundle: Bundle, real: Judge, other: Judge, change: AccessChange, who: Who) -> Killer:
    plan = bundle.plan
    words = [_SOME.get(atom, atom) for atom in who.atoms if not atom.startswith((IF, UNLESS, UNTIL))]
    principal = Principal("key", "somebody", frozenset(words))
    caller, name = " ".join(words), shown_as(plan, change.endpoint, change.capability)
    for arguments in _candidates(bundle, change, who):
        was = real.call(change.endpoint, principal, change.capability, arguments)
        now = other.call(change.endpoint, principal, change.capability, arguments)
        if was.allowed != now.allowed:
            expect = "allow" if was.allowed else "deny"
            return Killer(change.endpoint, caller, name, arguments, expect, certain=True)
    expect = "allow" if who in change.lost else "deny"
    return Killer(change.endpoint, caller, name, None, expect, certain=False)


def _candidates(bundle: Bundle, change: AccessChange, who: Who) -> Iterator[dict[str, Any] | None]:
    """No arguments, then those that stand at the edges of the conditions in question."""
    yield None
    values: dict[str, list[Any]] = {}
    for rule in (*bundle.plan.access.rules.values(),):
        if rule.when is not None and change.capability in rule.covers:
            _edges(cast("Any", rule.when), values)
    for atom in (*who.atoms, *(a for atoms in who.unless for a in atoms)):
        if atom.startswith((IF, UNLESS)):
            try:
                _edges(json.loads(atom.partition(":")[2]), values)
            except ValueError:
                continue
    known = bundle.plan.capabilities[change.capability]
    declared = declared_arguments(jsontext.parse(bundle.definitions[known.definition]))
    offered = _offer_takes(bundle.plan, change, declared)
    names = [name for name in values if name in offered]
    yield {}
    choices = [[*values[name], _LEFT_OUT] for name in names]
    for chosen in islice(product(*choices), MAX_TRIES):
        yield {name: value for name, value in zip(names, chosen, strict=True) if value is not _LEFT_OUT}


_LEFT_OUT = object()


def _offer_takes(plan: Plan, change: AccessChange, declared: frozenset[str] | None) -> frozenset[str]:
    for offer in plan.endpoints[change.endpoint].offers:
        if offer.capability == change.capability:
            return (declared or frozenset()) - {*offer.set, *offer.hide}
    return declared or frozenset()


def _edges(ir: Any, found: dict[str, list[Any]]) -> None:
    """Values for the arguments that an expression compares, at, below and above what it compares them to."""
    if not isinstance(ir, list):
        return
    parts = cast("list[Any]", ir)
    name = next((n for part in parts[1:] if (n := _argument(part)) is not None), None)
    if name is not None:
        for part in parts[1:]:
            for value in _literals(part):
                for near in _near(value):
                    if near not in found.setdefault(name, []):
                        found[name].append(near)
        found.setdefault(name, [])
    for part in parts[1:]:
        _edges(part, found)


def _argument(ir: Any) -> str | None:
    if isinstance(ir, list) and ir[:2] == ["select", ["var", "args"]]:
        return str(cast("list[Any]", ir)[2])
    if isinstance(ir, list) and cast("list[Any]", ir)[:1] in (["size"], ["lowerAscii"], ["upperAscii"]):
        return _argument(cast("list[Any]", ir)[1])
    return None


def _literals(ir: Any) -> Iterator[Any]:
    if isinstance(ir, list):
        parts = cast("list[Any]", ir)
        if parts[:1] == ["lit"]:
            yield parts[1]
        elif parts[:1] == ["[]"]:
            for part in parts[1:]:
                yield from _literals(part)


def _near(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [value, not value]
    if isinstance(value, int):
        return [value, value + 1, value - 1]
    if isinstance(value, str):
        return [value, value + "x", "other"]
    return [value]
