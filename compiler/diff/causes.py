"""The minimal sets of edits that alone make a change: found smallest first, so that every one that is found is minimal."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice, product
from typing import NamedTuple

from meshplan.compiler.diff.formula import NOTHING_NEEDED, Edits, Formula, Needs
from meshplan.compiler.diff.terms import Atoms

MAX_SETS = 6
_MAX_STEPS = 2_000
_MAX_PRINCIPALS = 200
_MAX_TRIED = 5_000
_NOTHING: Atoms = frozenset()
Possible = Callable[[Atoms], bool]
"""Whether there can be a principal with these atoms."""


class Found(NamedTuple):
    """Minimal sets of edits, smallest first, and whether these are all."""

    sets: tuple[Edits, ...]
    whole: bool


def minimal_edits(formula: Formula, who: Atoms, *, gained: bool, limit: int) -> Found:
    """The minimal sets of edits that, made to the base without any other, give (or take) a principal its access.

    Whatever set of edits has access as the head has it contains one of them; so whoever undoes one edit out of each is
    back at the base.
    """
    ways = _reduced(c.needs for c in formula.ways if c.atoms <= who)
    denies = _reduced(c.needs for c in formula.denies if c.atoms <= who)
    starts = [(way, denies) for way in ways] if gained else [(Needs(frozenset(), frozenset()), ways)]
    found = _search(starts, [] if gained else denies, limit)
    return Found(found.sets, found.whole and formula.whole)


def _reduced(needs: Iterable[Needs]) -> list[Needs]:
    kept: list[Needs] = []
    for one in sorted(set(needs), key=lambda n: len(n.made) + len(n.unmade)):
        if not any(other.made <= one.made and other.unmade <= one.unmade for other in kept):
            kept.append(one)
    return kept


def _search(starts: list[tuple[Needs, list[Needs]]], enough: list[Needs], limit: int) -> Found:
    """Best first over sets of edits: from what a start needs, out of the way of everything that is against it."""
    number = count()
    heap = [(len(n.made), next(number), n.made, n.unmade, against) for n, against in starts]
    heap += [(len(n.made), next(number), n.made, n.unmade, []) for n in enough]
    heapq.heapify(heap)
    seen: set[tuple[Edits, Edits, bool]] = set()
    found: list[Edits] = []
    for _ in range(_MAX_STEPS):
        if not heap or len(found) > limit:
            break
        _, _, made, unmade, against = heapq.heappop(heap)
        if any(known <= made for known in found) or (made, unmade, not against) in seen:
            continue
        seen.add((made, unmade, not against))
        active = next((one for one in against if one.met(made)), None)
        if active is None:
            found.append(made)
            continue
        for more in active.unmade - unmade:
            heapq.heappush(heap, (len(made) + 1, next(number), made | {more}, unmade, against))
    over = len(found) > limit or any(not any(known <= left[2] for known in found) for left in heap)
    return Found(tuple(found[:limit]), not over)


def all_minimal_edits(formula: Formula, possible: Possible, *, gained: bool) -> Found:
    """The minimal sets for everybody who gained (or lost): undoing one edit out of each undoes it for all of them."""
    sets: set[Edits] = set()
    edits = formula.edits
    witnesses = _witnesses(formula, edits, possible, gained=gained)
    chosen = list(islice(witnesses, _MAX_PRINCIPALS + 1 if len(edits) > 1 else 1))
    whole = len(chosen) <= _MAX_PRINCIPALS
    for who in chosen[:_MAX_PRINCIPALS]:
        found = minimal_edits(formula, who, gained=gained, limit=MAX_SETS)
        sets |= set(found.sets)
        whole = whole and found.whole
    kept = smallest_sets(sets)
    return Found(kept, whole)


def smallest_sets(sets: Iterable[Edits]) -> tuple[Edits, ...]:
    """The sets that contain no other one, smallest first."""
    kept: list[Edits] = []
    for one in sorted(set(sets), key=lambda found: (len(found), sorted(map(repr, found)))):
        if not any(other <= one for other in kept):
            kept.append(one)
    return tuple(kept)


def _witnesses(formula: Formula, edits: Edits, possible: Possible, *, gained: bool) -> Iterator[Atoms]:
    """Principals such that whoever else gained (or lost) is restored when they are.

    Assume that somebody is still allowed after edits are undone, by a way, while the base refuses and the head allows
    by another way. Then so is the one who has the atoms of both ways, and of the deny by which the base refuses.
    The same holds for a loss, with a deny of either side.
    """
    none = Edits()
    allowed, refused = (edits, none) if gained else (none, edits)
    there = [c.atoms for c in formula.ways if c.needs.met(allowed)]
    other = [c.atoms for c in (formula.ways if gained else formula.denies) if c.needs != NOTHING_NEEDED]
    against = [c.atoms for c in formula.denies if c.needs != NOTHING_NEEDED and c.needs.met(refused)]
    seen: set[Atoms] = set()
    parts = (_distinct(there), _distinct([_NOTHING, *other]), _distinct([_NOTHING, *against]))
    for way, second, third in islice(product(*parts), _MAX_TRIED):
        who = way | second | third
        if who in seen or not possible(who):
            continue
        seen.add(who)
        if formula.allows(who, allowed) and not formula.allows(who, refused):
            yield who


def _distinct(sets: Iterable[Atoms]) -> list[Atoms]:
    return list(dict.fromkeys(sets))
