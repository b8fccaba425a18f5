"""Whether some principal can reach all of several things at once: exact over the terms of access.

A deny only takes away, and what a principal holds only grows what denies match. So among all principals that hold
``who`` it is enough to ask those that hold ``who`` and the subjects of one way for each thing, or of two, one for the
user's side and one for the agent's, where a user acts through an agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from meshplan.compiler.assure.cells import Cell, Way
from meshplan.compiler.assure.statement import Statement
from meshplan.schemas.decide import AGENT_SIDE, BOTH_SIDES, USER_SIDE, Principal

MAX_STEPS = 200_000
"""Combinations that are tried for one statement before it counts as not provable."""

Exclusive = Sequence[Sequence[tuple[str, ...]]]


class Demand(NamedTuple):
    """One stage of one of the things that are to be reached; ``number`` says of which."""

    number: int
    cell: Cell
    stage: int


Chosen = tuple[tuple[int, tuple[Way, ...]], ...]


class Reached(NamedTuple):
    """A principal, the ways by which it reaches each thing (by number), and the last day on which it does.

    ``on`` is ``None`` where that does not end.
    """

    subjects: frozenset[str]
    ways: Chosen
    on: date | None


class TooManyError(Exception):
    """There are too many combinations to try."""


class Judge:
    """One statement's view of cells: conditions are possible unless it excuses them; verdicts are remembered."""

    def __init__(self, statement: Statement, exclusive: Exclusive) -> None:
        self._statement = statement
        self._exclusive = [[frozenset(conjunction) for conjunction in group] for group in exclusive]
        self._allows: dict[tuple[Cell, int], tuple[Way, ...]] = {}
        self._denies: dict[Cell, tuple[Way, ...]] = {}
        self._found: dict[tuple[Cell, ...], Reached | None] = {}
        self._steps = 0

    def reached(self, cells: tuple[Cell, ...]) -> Reached | None:
        """A smallest principal found that reaches all cells; raises ``TooManyError``."""
        if cells not in self._found:
            who = self._statement.who
            wanted = tuple(Demand(n, cell, stage) for n, cell in enumerate(cells) for stage in range(len(cell.stages)))
            self._found[cells] = self._search(wanted, 0, who, None, ()) if self._possible(who) and wanted else None
        return self._found[cells]

    def _search(
        self, wanted: tuple[Demand, ...], at: int, held: frozenset[str], on: date | None, chosen: Chosen
    ) -> Reached | None:
        if at == len(wanted):
            complete = all(self._allowed(demand, held, on) for demand in wanted)
            return Reached(held, chosen, on) if complete else None
        for ways in self._options(wanted[at], held):
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise TooManyError
            more = held.union(*(way.subjects for way in ways))
            day = _last_day(ways, on)
            if self._possible(more) and not any(self._denied(demand.cell, more, day) for demand in wanted):
                found = self._search(wanted, at + 1, more, day, (*chosen, (wanted[at].number, ways)))
                if found is not None:
                    return found
        return None

    def _options(self, demand: Demand, held: frozenset[str]) -> Iterator[tuple[Way, ...]]:
        """Single ways, those that take the least more first; then a way for each side."""
        ways = sorted(self._open(demand), key=lambda way: (len(way.subjects - held), sorted(way.subjects)))
        yield from ((way,) for way in ways)
        for user in ways:
            if user.sides == USER_SIDE:
                yield from ((user, agent) for agent in ways if agent.sides == AGENT_SIDE)

    def _open(self, demand: Demand) -> tuple[Way, ...]:
        """The allows of a stage that let something through that is not excused."""
        key = (demand.cell, demand.stage)
        if key not in self._allows:
            self._allows[key] = tuple(
                way
                for way in demand.cell.stages[demand.stage]
                if way.condition is None or not (way.own and self._statement.allow_excused(way.condition))
            )
        return self._allows[key]

    def _stopping(self, cell: Cell) -> tuple[Way, ...]:
        """The denies that stop everything that is not excused."""
        if cell not in self._denies:
            self._denies[cell] = tuple(
                way
                for way in cell.denies
                if way.condition is None or (way.own and self._statement.deny_stops(way.condition))
            )
        return self._denies[cell]

    def _denied(self, cell: Cell, held: frozenset[str], on: date | None) -> bool:
        return any(way.subjects <= held and _holds(way, on) for way in self._stopping(cell))

    def _allowed(self, demand: Demand, held: frozenset[str], on: date | None) -> bool:
        if self._denied(demand.cell, held, on):
            return False
        sides = [way.sides for way in self._open(demand) if way.subjects <= held and _holds(way, on)]
        covered = 0
        for side in sides:
            covered |= side
        return bool(sides) and (covered == BOTH_SIDES or not Principal("", "", held).delegated)

    def _possible(self, held: frozenset[str]) -> bool:
        """Whether one principal can hold all this: one user at most, and no two of what excludes each other."""
        if sum(subject.startswith("user:") for subject in held) > 1:
            return False
        return all(sum(conjunction <= held for conjunction in group) < 2 for group in self._exclusive)


def _last_day(ways: tuple[Way, ...], on: date | None) -> date | None:
    """The last day on which all of this holds."""
    ends = [way.until - timedelta(days=1) for way in ways if way.until is not None]
    days = ends if on is None else [*ends, on]
    return min(days) if days else None


def _holds(way: Way, on: date | None) -> bool:
    """Whether a way has not ended by a day; for ever is after every end."""
    return way.until is None or (on is not None and on < way.until)
