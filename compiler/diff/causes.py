"""Why somebody gained or lost: minimal sets of edits, found by comparing what the terms rest on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, product

from meshplan.compiler.diff.cells import Cell
from meshplan.compiler.diff.model import Cause, CauseKind, Place
from meshplan.compiler.diff.provenance import Called, Covered, Fact, Granted, Held, Offered, Side
from meshplan.compiler.diff.terms import IF, UNLESS, UNTIL, Atoms, Term, Terms, essential, minimal
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import AGENT_SIDE, USER_SIDE

Facts = frozenset[Fact]
MAX_SETS = 6
_MAX_COMBINATIONS = 256
_MAX_WAYS = 4096


def gain_causes(before: Side, after: Side, cell: Cell, who: Atoms, *, delegated: bool) -> list[Facts]:
    """Sets of new and gone facts, each of which made the difference for somebody with the atoms ``who``."""
    old, new = before.cells.terms(cell), after.cells.terms(cell)
    opened = [_missing(before, after, cell, way) for way in _ways(new, who, delegated=delegated)]
    lifted = [_missing(after, before, cell, (d,)) for d in old.denies if d.atoms <= who]
    return _each_with_one_of(opened, lifted)


def loss_causes(before: Side, after: Side, cell: Cell, who: Atoms, *, delegated: bool) -> list[Facts]:
    """As ``gain_causes``: a deny that came, or for every way there was, one thing that it rested on and that is gone."""
    old, new = before.cells.terms(cell), after.cells.terms(cell)
    came = [_missing(before, after, cell, (d,)) for d in new.denies if d.atoms <= who]
    ways = _ways(old, who, delegated=delegated)
    gone = [_missing(after, before, cell, way) for way in ways]
    withdrawn = _each_with_one_of([frozenset()], gone) if ways and all(gone) else []
    return _smallest([*came, *withdrawn])


def _ways(terms: Terms, who: Atoms, *, delegated: bool) -> list[tuple[Term, ...]]:
    """One term for each stage, or for a delegated principal one for each side of each stage."""
    stages = [[t for t in stage if t.atoms <= who] for stage in terms.stages]
    if delegated:
        stages = [[t for t in stage if t.sides & side] for stage in stages for side in (USER_SIDE, AGENT_SIDE)]
    return list(islice(product(*stages), _MAX_WAYS)) if stages else []


def _missing(here: Side, there: Side, cell: Cell, way: Iterable[Term]) -> Facts:
    """What a way of ``there`` rests on and does not hold ``here``."""
    return frozenset(fact for term in way for fact in there.behind(cell, term) if not here.holds(fact))


def _each_with_one_of(bases: list[Facts], others: list[Facts]) -> list[Facts]:
    """The smallest sets that hold a base and meet every one of the others (Berge's algorithm)."""
    if not all(others):
        return []
    found = bases
    for facts in others:
        met = [known for known in found if known & facts]
        widened = [known | {fact} for known in found if not known & facts for fact in facts]
        found = _smallest([*met, *widened], empty=True)[:_MAX_COMBINATIONS]
    return _smallest(found)


def _smallest(sets: Iterable[Facts], *, empty: bool = False) -> list[Facts]:
    kept: list[Facts] = []
    for candidate in sorted(set(sets), key=lambda facts: (len(facts), sorted(map(repr, facts)))):
        if (candidate or empty) and not any(other <= candidate for other in kept):
            kept.append(candidate)
    return kept


def as_causes(before: Side, after: Side, found: list[Facts]) -> tuple[tuple[Cause, ...], ...]:
    """Facts as edits with their places; facts that one edit explains become one cause."""
    sets = {frozenset(_cause(before, after, fact) for fact in facts) for facts in found}
    smallest = [s for s in sets if not any(other < s for other in sets)]
    shown = [tuple(sorted(s, key=lambda c: (c.kind, c.text))) for s in smallest]
    return tuple(sorted(shown, key=lambda s: (len(s), [(c.kind, c.text) for c in s]))[:MAX_SETS])


def _cause(before: Side, after: Side, fact: Fact) -> Cause:
    came = after.holds(fact)
    there = after if came else before
    kind, text = _edit(before, after, fact, came=came)
    if kind in _UPSTREAM and isinstance(fact, Offered | Covered):
        return Cause(kind, text, _upstream_place(before, after, there, fact.capability, kind))
    place, patched = place_in(there.bundle, there.source(fact))
    return Cause("environment patch" if patched else kind, text, place)


_UPSTREAM: tuple[CauseKind, ...] = ("upstream added", "upstream removed", "rename", "effect flip")


def _upstream_place(before: Side, after: Side, there: Side, capability: str, kind: CauseKind) -> Place | None:
    """The entry in the lock; the server in mesh.yaml where an effect is another one and the definition is the same."""
    old, new = (side.plan.capabilities.get(capability) for side in (before, after))
    if kind == "effect flip" and old is not None and new is not None and old.definition == new.definition:
        return place_in(there.bundle, f"server:{CapabilityKey.of(capability).server}")[0]
    found = there.places.capability(capability) if there.places else None
    return found or place_in(there.bundle, f"locked:{capability}")[0]


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
        case Covered():
            return _of_rule(before, after, fact, came=came)


def _of_rule(before: Side, after: Side, fact: Covered, *, came: bool) -> tuple[CauseKind, str]:
    other = (before if came else after).plan.access.rules.get(fact.rule)
    if other is None:
        return "policy edit", f"{fact.effect} rule `{fact.rule}` {'added' if came else 'removed'}"
    same = (other.effect, other.when) == (fact.effect, (after if came else before).plan.access.rules[fact.rule].when)
    moved = _of_capability(before, after, fact.capability, came=came) if same else None
    return moved or ("policy edit", f"{fact.effect} rule `{fact.rule}` changed")


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


def shown_atoms(atoms: Atoms) -> tuple[str, ...]:
    """Atoms without what others of them imply, in a stable order, subjects first."""
    return tuple(sorted(essential(atoms), key=lambda atom: (atom.startswith((IF, UNLESS, UNTIL)), atom)))


def smallest_atoms(sets: Iterable[Atoms]) -> list[Atoms]:
    """Minimal sets in a stable order."""
    return sorted(minimal(sets), key=lambda atoms: (len(atoms), shown_atoms(atoms)))
