"""What was edited, and where, for a fact that only one side of a diff has."""

from __future__ import annotations

from meshplan.compiler.diff.model import Cause, CauseKind, Place
from meshplan.compiler.diff.patches import patch_of_effect, patch_of_fact
from meshplan.compiler.diff.provenance import Called, Covered, Excluded, Fact, Granted, Held, Offered, Side, when_text
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey


def edit(before: Side, after: Side, fact: Fact) -> Cause:
    """The edit that a fact of one side only came or went with; facts that one edit explains have an equal one."""
    came = after.holds(fact)
    kind, text = _edit(before, after, fact, came=came)
    changed = kind == "effect flip" or (isinstance(fact, Covered) and fact.rule in after.plan.access.rules)
    there = after if came or changed else before
    if kind in _UPSTREAM and isinstance(fact, Offered | Covered):
        return _upstream(before, after, there, fact.capability, kind, text)
    patch = patch_of_fact(before, after, fact)
    place, patched = (patch, True) if patch else place_in(there.bundle, there.source(fact))
    return Cause("environment patch" if patched else kind, text, place)


_UPSTREAM: tuple[CauseKind, ...] = ("upstream added", "upstream removed", "rename", "effect flip")


def _upstream(before: Side, after: Side, there: Side, capability: str, kind: CauseKind, text: str) -> Cause:
    """At the entry in the lock; in mesh.yaml where an effect is another one and the definition is the same."""
    old, new = (side.plan.capabilities.get(capability) for side in (before, after))
    if kind == "effect flip" and old is not None and new is not None and old.definition == new.definition:
        server = CapabilityKey.of(capability).server
        patch = patch_of_effect(before, after, server)
        if patch:
            return Cause("environment patch", text, patch)
        return Cause(kind, text, place_in(there.bundle, f"server:{server}")[0])
    found = there.places.capability(capability) if there.places else None
    return Cause(kind, text, found or place_in(there.bundle, f"locked:{capability}")[0])


def _edit(before: Side, after: Side, fact: Fact, *, came: bool) -> tuple[CauseKind, str]:
    match fact:
        case Granted():
            who = " and ".join(f"`{subject}`" for subject in fact.to)
            return "grant", f"`{fact.role}` {'granted to' if came else 'taken from'} {who}"
        case Held():
            return "policy edit", f"role `{fact.role}` {'now has' if came else 'no longer has'} rule `{fact.rule}`"
        case Called():
            verb = "now calls" if came else "no longer calls"
            who = f" for its {fact.run_as}" if fact.run_as else ""
            kind: CauseKind = "workflow edit" if fact.run_as else "binding edit"
            return kind, f"`{fact.made}` {verb} `{fact.capability}`{who}"
        case Offered() if fact.live:
            server = fact.capability.partition("/")[0]
            verb = "now forwards" if came else "no longer forwards"
            return "include change", f"`{fact.endpoint}` {verb} the live resources of `{server}`"
        case Offered():
            selected = f"`{fact.endpoint}` {'now includes it' if came else 'no longer includes it'}"
            return _of_capability(before, after, fact.capability, came=came) or ("include change", selected)
        case Excluded():
            both = " and ".join(f"`{subject}`" for subject in sorted(fact.atoms))
            return "policy edit", f"{both} {'exclude each other now' if came else 'no longer exclude each other'}"
        case Covered():
            return _of_rule(before, after, fact, came=came)


def _of_rule(before: Side, after: Side, fact: Covered, *, came: bool) -> tuple[CauseKind, str]:
    other = (before if came else after).plan.access.rules.get(fact.rule)
    if other is None:
        return "policy edit", f"{fact.effect} rule `{fact.rule}` {'added' if came else 'removed'}"
    same = (other.effect, when_text(other.when)) == (fact.effect, fact.when)
    moved = _of_capability(before, after, fact.capability, came=came) if same else None
    return moved or ("policy edit", f"{after.plan.access.rules[fact.rule].effect} rule `{fact.rule}` changed")


def _of_capability(before: Side, after: Side, capability: str, *, came: bool) -> tuple[CauseKind, str] | None:
    """What happened to the capability itself, where that explains the fact."""
    old, new = before.locked(capability), after.locked(capability)
    key = CapabilityKey.of(capability)
    name = f"{key.kind} `{key.name}` of `{key.server}`"
    if came and old is None:
        like = after.resembling.get(capability)
        return (
            ("rename", f"{name} is new in the lock, {_like(like)}")
            if like
            else ("upstream added", f"{name} is new in the lock")
        )
    if not came and new is None:
        to = next(((now, score) for now, (was, score) in after.resembling.items() if was == capability), None)
        return (
            ("rename", f"{name} is gone from the lock, {_like(to)}")
            if to
            else ("upstream removed", f"{name} is gone from the lock")
        )
    if old is not None and new is not None and old != new:
        return "effect flip", f"the effect of {name} went from {old} to {new}"
    return None


def _like(other: tuple[str, float]) -> str:
    return f"and `{CapabilityKey.of(other[0]).name}` resembles it (score {other[1]:.2f})"


def place_in(bundle: Bundle, name: str) -> tuple[Place | None, bool]:
    """Where the source map has a logical name, and whether that is in an environment's patch."""
    entry = bundle.source_map.get(name)
    if entry is None:
        return None, False
    file, line, column = entry[:3]
    return Place(str(file), int(line), int(column)), "patched" in entry[3:]
