"""Who used what: outcomes over a window by any dimensions, from hourly totals, and from entries at the window's edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.entry import DIMENSIONS, HOUR, SUMS, Totals, Value
from meshplan.schemas.ledger.segment import Segment, UnreadableError

TIMES: Final = {"hour": HOUR, "day": 10, "month": 7}
"""Calendar stretches in UTC, as the length of what begins a time."""

DIMENSIONS_ASKED: Final = ("team", *(name for name in DIMENSIONS if name != "teams"), *TIMES)
MEASURES: Final = ("calls", *SUMS)
_LAST: Final = "~"
"""Sorts after every time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums by key, one value a dimension; ``MEASURES`` says which sums, in units of ``Entry``."""

    by: tuple[str, ...]
    rows: dict[tuple[Value, ...], list[int]] = field(default_factory=dict[tuple[Value, ...], list[int]])

    def add(self, hour: str, values: tuple[Value, ...], sums: Iterable[int]) -> None:
        """Count some outcomes; whoever is in several teams counts for each."""
        numbers = list(sums)
        for key in self._keys(hour, values):
            found = self.rows.setdefault(key, [0] * len(MEASURES))
            for place, number in enumerate(numbers):
                found[place] += number

    def _keys(self, hour: str, values: tuple[Value, ...]) -> list[tuple[Value, ...]]:
        keys: list[tuple[Value, ...]] = [()]
        for name in self.by:
            if name in TIMES:
                parts: list[Value] = [hour[: TIMES[name]]]
            elif name == "team":
                teams = values[DIMENSIONS.index("teams")]
                parts = [None] if teams is None else [*str(teams).split(",")]
            else:
                parts = [values[DIMENSIONS.index(name)]]
            keys = [(*key, part) for key in keys for part in parts]
        return keys


def usage(chains: Iterable[Chain], by: tuple[str, ...], since: datetime, until: datetime) -> Usage:
    """The outcomes of [since, until), by dimensions of ``DIMENSIONS_ASKED``; both times with a zone."""
    found = Usage(by)
    start, end = _text(since), _text(until)
    for chain in chains:
        for segment in chain.segments:
            _segment(segment, found, start, end)
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _segment(segment: Segment, found: Usage, start: str, end: str) -> None:
    """Whole hours from the totals, as far as they are told; the rest from the entries."""
    first, after = segment.first_at(start), segment.first_at(end)
    if after <= first:
        return
    through = segment.folded().through
    # An hour at an edge is whole, too, where nothing of it lies outside of the window.
    whole_from = "" if first == segment.start + 1 else _next_hour(start)
    whole_to = _LAST if after > through else end[:HOUR]
    if whole_from >= whole_to:
        _entries(segment, found, first, after)
        return
    _totals(segment, found, whole_from, whole_to)
    inner = segment.first_at(whole_from)
    _entries(segment, found, first, inner)
    _entries(segment, found, max(inner, min(segment.first_at(whole_to), through + 1)), after)


def _next_hour(start: str) -> str:
    """The first hour that does not begin before a time."""
    return _text(datetime.fromisoformat(start) + timedelta(hours=1) - timedelta(milliseconds=1))[:HOUR]


def _totals(segment: Segment, found: Usage, first: str, end: str) -> None:
    groups = segment.groups()
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    finest = max((TIMES[name] for name in found.by if name in TIMES), default=0)
    sql = (
        f'SELECT substr(hour, 1, {finest}) AS stretch, "group", {sums} FROM totals '
        f'WHERE hour >= ? AND hour < ? GROUP BY stretch, "group"'
    )
    for row in segment.db.execute(sql, (first, end)):
        if row[1] not in groups:
            raise UnreadableError(f"the totals name a group {row[1]} that is not there; run `mesh ledger verify`")
        found.add(row[0], groups[row[1]], row[2:])


def _entries(segment: Segment, found: Usage, first: int, end: int) -> None:
    totals = Totals()
    for stored in segment.stored(first) if first < end else ():
        if stored.seq >= end:
            break
        entry = stored.entry()
        if entry.kind == "outcome":
            totals.add(entry)
    for (hour, group), sums in totals.by.items():
        found.add(hour, group, sums)
