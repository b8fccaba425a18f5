"""Policies judged over a compiled mesh: what is wrong with which thing, and the exceptions that were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from pydantic import JsonValue

from meshplan.compiler.assure.facts import TYPES, things
from meshplan.compiler.assure.thing import Thing, World
from meshplan.compiler.expressions import compile_expression
from meshplan.schemas.expr import ERROR, holds, load
from meshplan.schemas.globs import glob_match


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a policy has something against; ``excepted`` is the reason why that is let pass."""

    policy: str
    thing: Thing
    excepted: str | None
    ended: str | None
    """When an exception for it has ended."""


def judged_by(policies: Mapping[str, JsonValue], world: World, today: date) -> Iterator[Finding]:
    """What the policies of a plan have against a mesh; a condition that fails has something against it, too."""
    known: dict[str, list[Thing]] = {}
    for name, data in policies.items():
        policy = cast("Mapping[str, Any]", data)
        kind: str = policy["for"]
        if kind not in known:
            known[kind] = things(world, kind)
        yield from _findings(name, policy, known[kind], today)


def _findings(name: str, policy: Mapping[str, Any], candidates: Iterable[Thing], today: date) -> Iterator[Finding]:
    kind: str = policy["for"]
    env = {kind: TYPES[kind]}
    where = None if policy["where"] is None else load(compile_expression(policy["where"], env)[0])
    require = load(compile_expression(policy["require"], env)[0])
    for thing in candidates:
        facts = {kind: dict(thing.facts)}
        if where is not None and holds(where, facts) is False:
            continue
        if (required := holds(require, facts)) is ERROR or not required:
            yield _finding(name, policy, thing, today)


def _finding(name: str, policy: Mapping[str, Any], thing: Thing, today: date) -> Finding:
    reason = ended = None
    for exception in policy["except"]:
        if glob_match(exception["at"], thing.subject):
            if date.fromisoformat(exception["until"]) > today:
                reason = exception["reason"]
            else:
                ended = exception["until"]
    return Finding(name, thing, reason, ended)
