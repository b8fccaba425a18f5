"""Who may reach what, for questions about the whole mesh: cells of one plan, those with the same rules taken together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from meshplan.compiler.diff.cells import LIVE, Cells
from meshplan.compiler.diff.cells import Cell as Key
from meshplan.compiler.diff.terms import IF, UNLESS, Implied, Term
from meshplan.schemas import jsontext
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.plan import Plan

_Part = tuple[str, str, str]
"""A rule, what it is about, and what is called or which URIs are meant."""


class Way(NamedTuple):
    """One term with its parts apart: what it takes, its condition's IR as text, and the day on which it ends.

    ``own`` says that the condition is about the arguments of what is reached, and not of what calls it or is called.
    """

    subjects: frozenset[str]
    sides: int
    condition: str | None
    own: bool
    until: date | None
    term: Term


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """What allows, stage by stage, and what denies; one for everything about which the same rules speak."""

    stages: tuple[tuple[Way, ...], ...]
    denies: tuple[Way, ...]


class Spot(NamedTuple):
    """One thing that can be reached through an endpoint: a capability by its id, or live resources by their pattern's.

    ``through`` is the tool of a binding or workflow by way of which it is reached; empty: directly.
    """

    endpoint: str
    capability: str
    through: str = ""
    live: bool = False


class Atlas:
    """Every spot of one plan with its cell."""

    def __init__(self, plan: Plan, today: date) -> None:
        self.plan, self._today = plan, today
        self._cells = Cells(plan, Implied())
        self._known: dict[tuple[object, ...], Cell] = {}

    def spots(self) -> Iterator[tuple[Spot, Cell]]:
        """Everything that somebody may reach, what stands behind made tools included."""
        for endpoint, capability, via in sorted(self._cells.keys):
            key = Key(endpoint, capability, via)
            parts = self._cells.parts(key)
            spots = [Spot(endpoint, capability, "" if via == LIVE else via, live=via == LIVE)]
            called = self._cells.calls.get(capability)
            if called is not None and not called.run_as:
                spots += [Spot(endpoint, inner, capability) for inner in called.capabilities]
            for spot in spots:
                yield spot, self._cell(spot, key, *parts)

    def _cell(self, spot: Spot, key: Key, allows: list[list[tuple[str, str]]], denies: list[_Part]) -> Cell:
        signature = (
            tuple(tuple((rule, about == spot.capability) for rule, about in stage) for stage in allows),
            tuple((rule, about == spot.capability, under.startswith(LIVE)) for rule, about, under in denies),
        )
        if signature not in self._known:
            terms = self._cells.terms(key)
            self._known[signature] = Cell(
                tuple(self._ways(spot, stage) for stage in terms.stages), self._ways(spot, terms.denies)
            )
        return self._known[signature]

    def _ways(self, spot: Spot, terms: Iterable[Term]) -> tuple[Way, ...]:
        found = (self._way(spot, term) for term in terms)
        return tuple(way for way in found if way.until is None or way.until > self._today)

    def _way(self, spot: Spot, term: Term) -> Way:
        access = self.plan.access
        when, expires = access.rules[term.rule].when, access.grants[term.grant].expires
        own = when is None or term.capability == spot.capability or spot.live
        condition = None if when is None else jsontext.canonical(when)
        if condition is None and any(atom.startswith((IF, UNLESS)) for atom in term.atoms):
            condition, own = "", False
        return Way(
            frozenset(term.given) - {ANYONE},
            term.sides,
            condition,
            own,
            None if expires is None else date.fromisoformat(expires),
            term,
        )
