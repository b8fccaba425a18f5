"""Who used what: outcomes over a window by any dimensions, from hourly totals, and from entries at the window's edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.entry import DIMENSIONS, HOUR, SUMS, Group, Totals, Value
from meshplan.schemas.ledger.segment import Segment, UnreadableError

TIMES: Final = {"hour": HOUR, "day": 10, "month": 7}
"""Calendar stretches in UTC, as the length of what begins a time."""

DIMENSIONS_ASKED: Final = ("team", *(name for name in DIMENSIONS if name != "teams"), *TIMES)
MEASURES: Final = ("calls", *SUMS)
_PLACES: Final = {name: place for place, name in enumerate(DIMENSIONS)}
_LAST: Final = "~"
"""Sorts after every time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums by key, one value a dimension; ``MEASURES`` says which sums, in units of ``Entry``."""

    by: tuple[str, ...]
    rows: dict[tuple[Value, ...], list[int]] = field(default_factory=dict[tuple[Value, ...], list[int]])

    def add(self, hour: str, key: tuple[Value, ...], sums: Iterable[int]) -> None:
        """Count what some outcomes of an hour come to; ``key`` is one of ``keys``."""
        timed = tuple(hour[: TIMES[name]] if name in TIMES else part for name, part in zip(self.by, key, strict=True))
        found = self.rows.setdefault(timed, [0] * len(MEASURES))
        for place, number in enumerate(sums):
            found[place] += number

    def keys(self, group: Group) -> list[tuple[Value, ...]]:
        """What a group counts for, without times; whoever is in several teams counts for each."""
        keys: list[tuple[Value, ...]] = [()]
        for name in self.by:
            parts: list[Value] = [None]
            if name == "team":
                teams = group[_PLACES["teams"]]
                parts = [None] if teams is None else [*str(teams).split(",")]
            elif name not in TIMES:
                parts = [group[_PLACES[name]]]
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
    keys: dict[tuple[Value, ...], int] = {}
    chosen = [
        (number, keys.setdefault(key, len(keys)))
        for number, group in segment.groups().items()
        for key in found.keys(group)
    ]
    segment.db.execute("PRAGMA temp_store = MEMORY")
    segment.db.execute(
        'CREATE TEMP TABLE chosen ("group" INTEGER, key INTEGER, PRIMARY KEY ("group", key)) WITHOUT ROWID'
    )
    segment.db.executemany("INSERT INTO chosen VALUES (?, ?)", chosen)
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    finest = max((TIMES[name] for name in found.by if name in TIMES), default=0)
    sql = (
        f'SELECT substr(hour, 1, {finest}) AS stretch, key, {sums} FROM totals LEFT JOIN chosen USING ("group") '
        f"WHERE hour >= ? AND hour < ? GROUP BY stretch, key"
    )
    texts = list(keys)
    for row in segment.db.execute(sql, (first, end)):
        stretch, number = str(row[0]), cast("int | None", row[1])
        if number is None:
            raise UnreadableError("the totals name a group that is not there; run `mesh ledger verify`")
        found.add(stretch, texts[number], row[2:])
    segment.db.execute("DROP TABLE chosen")


def _entries(segment: Segment, found: Usage, first: int, end: int) -> None:
    totals = Totals()
    for stored in segment.stored(first) if first < end else ():
        if stored.seq >= end:
            break
        entry = stored.entry()
        if entry.kind == "outcome":
            totals.add(entry)
    for (hour, group), sums in totals.by.items():
        for key in found.keys(group):
            found.add(hour, key, sums)
