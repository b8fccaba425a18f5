"""Which patch of an environment came, went or changed between two sides, and what in the mesh it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshplan.compiler.diff.model import Place
from meshplan.compiler.diff.provenance import Called, Covered, Excluded, Fact, Granted, Held, Offered, Side
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey

_Steps = tuple[str, ...]
_PARTS = re.compile(r"\[[^\[\]]+\]|[^.\[\]]+")
_SECTIONS = {
    "server": "servers",
    "endpoint": "virtual",
    "binding": "bindings",
    "workflow": "workflows",
    "budget": "budgets",
}


def patch_of_fact(before: Side, after: Side, fact: Fact) -> Place | None:
    """The patch that only one side has and that is about what a fact rests on, if there is one."""
    return _changed(before.bundle, after.bundle, tuple(_paths(fact)))


def patch_of_effect(before: Side, after: Side, server: str) -> Place | None:
    """The same for the effects that mesh.yaml gives the capabilities of a server."""
    return _changed(before.bundle, after.bundle, (("servers", server, "effects"),))


def patch_of_subject(before: Side, after: Side, subject: str) -> Place | None:
    """The same for a keyed resource, such as `server:NAME` or `invariant:NAME`."""
    prefix, _, name = subject.partition(":")
    path = ("invariants", f"[{name}]") if prefix == "invariant" else ("policies",) if prefix == "policy" else None
    if path is None and prefix in _SECTIONS:
        path = (_SECTIONS[prefix], name)
    return None if path is None else _changed(before.bundle, after.bundle, (path,))


def _changed(before: Bundle, after: Bundle, paths: tuple[_Steps, ...]) -> Place | None:
    """The first patch on one side only, of the side after where there is one, that one of these paths meets."""
    old, new = _patches(before), _patches(after)
    one_sided = [*(p for p in new.items() if p[0] not in old), *(p for p in old.items() if p[0] not in new)]
    for (target, _), place in one_sided:
        steps = tuple(_PARTS.findall(target))
        if any(steps[: len(path)] == path[: len(steps)] for path in paths):
            return place
    return None


def _patches(bundle: Bundle) -> dict[tuple[str, str], Place]:
    """Target and digest of every patch of the environment that a plan was made for, with its place."""
    found: dict[tuple[str, str], Place] = {}
    for name, entry in bundle.source_map.items():
        if name.startswith("patch:"):
            file, line, column, _, target, digest = entry
            found[str(target), str(digest)] = Place(str(file), int(line), int(column))
    return found


def _paths(fact: Fact) -> Iterator[_Steps]:
    """Where a fact is written, as a patch addresses it; a rule without an id goes by its server."""
    match fact:
        case Covered():
            role, _, name = fact.rule.partition("#")
            for label in (name, CapabilityKey.of(fact.capability).server):
                yield "roles", role, fact.effect, f"[{label}]"
        case Held():
            owner, _, name = fact.rule.partition("#")
            if owner != fact.role:
                yield "roles", fact.role, "extends"
            for effect in ("allow", "deny"):
                yield "roles", owner, effect, f"[{name}]"
        case Granted():
            yield "grants", f"[{fact.role}]"
        case Offered():
            yield "virtual", fact.endpoint, "include"
        case Called():
            section, _, name = fact.made.partition("/")[0].partition(":")
            yield _SECTIONS[section], name
        case Excluded():
            yield "identity", "exclusive"
