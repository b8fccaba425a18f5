"""Who used what: outcomes over a window by any dimensions, from totals of days and hours, and from entries at the window's edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.entry import DAY, DIMENSIONS, HOUR, MEASURES, Group, Totals, Value
from meshplan.schemas.ledger.segment import Segment, UnreadableError

TIMES: Final = {"hour": HOUR, "day": DAY, "month": 7}
"""Calendar stretches in UTC, as the length of what begins a time."""

DIMENSIONS_ASKED: Final = ("team", *(name for name in DIMENSIONS if name != "teams"), *TIMES)
_PLACES: Final = {name: place for place, name in enumerate(DIMENSIONS)} | {"team": DIMENSIONS.index("teams")}
_LAST: Final = "~"
"""Sorts after every time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums by key, one value a dimension; ``MEASURES`` says which sums, in units of ``Entry``."""

    by: tuple[str, ...]
    rows: dict[tuple[Value, ...], list[int]] = field(default_factory=dict[tuple[Value, ...], list[int]])

    def add(self, hour: str, key: tuple[Value, ...], sums: Iterable[int]) -> None:
        """Count what some outcomes of an hour come to, or of so much of a time as is asked for; ``key`` is one of ``keys``."""
        for place, name in enumerate(self.by):
            if name in TIMES:
                key = (*key[:place], hour[: TIMES[name]], *key[place + 1 :])
        found = self.rows.get(key)
        if found is None:
            self.rows[key] = list(sums)
        else:
            for place, number in enumerate(sums):
                found[place] += number

    def keys(self, group: Group) -> list[tuple[Value, ...]]:
        """What a group counts for, without times; whoever is in several teams counts for each."""
        key = tuple([None if name in TIMES else group[_PLACES[name]] for name in self.by])
        if "team" not in self.by:
            return [key]
        place = self.by.index("team")
        teams = key[place]
        return [key] if teams is None else [(*key[:place], one, *key[place + 1 :]) for one in str(teams).split(",")]

    @property
    def finest(self) -> int:
        """So much of a time is asked for: its first characters."""
        return max((TIMES[name] for name in self.by if name in TIMES), default=0)


def usage(chains: Iterable[Chain], by: tuple[str, ...], since: datetime, until: datetime) -> Usage:
    """The outcomes of [since, until), by dimensions of ``DIMENSIONS_ASKED``, each once; both times with a zone."""
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


def _next_day(hour: str) -> str:
    """The first day that does not begin before an hour, or the first of all."""
    day = hour[:DAY]
    return day if not hour or hour.endswith("T00") else (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _totals(segment: Segment, found: Usage, first: str, end: str) -> None:
    """Whole days from the totals by day, as far as they are told, and the rest of [first, end) from those by hour."""
    newest = str(segment.db.execute("SELECT max(begins) FROM hours").fetchone()[0] or "")
    day, later = _next_day(first), min(end[:DAY], newest[:DAY])
    if found.finest == HOUR or day >= later:
        day = later = end
    keys = _choose(segment, found)
    for table, begins, ends in (("hours", first, day), ("days", day, later), ("hours", later, end)):
        _sum(segment, found, keys, table, begins, ends)
    segment.db.execute("DROP TABLE chosen")


def _choose(segment: Segment, found: Usage) -> list[tuple[Value, ...]]:
    """Write down which groups count for which of the keys, by its place."""
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
    return list(keys)


def _sum(segment: Segment, found: Usage, keys: list[tuple[Value, ...]], table: str, first: str, end: str) -> None:
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    sql = f'SELECT key, {sums} FROM {table} LEFT JOIN chosen USING ("group") WHERE begins >= ? AND begins < ? GROUP BY key'
    for stretch, begins, ends in _stretches(segment, table, first, end, found.finest):
        for row in segment.db.execute(sql, (begins, ends)):
            number = cast("int | None", row[0])
            if number is None:
                raise UnreadableError("the totals name a group that is not there; run `mesh ledger verify`")
            found.add(stretch, keys[number], row[1:])


def _stretches(segment: Segment, table: str, first: str, end: str, finest: int) -> Iterator[tuple[str, str, str]]:
    """What is asked for apart, by its first characters, and the part of [first, end) that it is.

    Sorting many small parts by key takes SQLite less time than sorting all of it at once.
    """
    sql = f"SELECT min(begins) FROM {table} WHERE begins >= ? AND begins < ?"
    while (at := cast("str | None", segment.db.execute(sql, (first, end)).fetchone()[0])) is not None:
        stretch = at[: finest or TIMES["month"]]
        yield stretch, first, (first := min(stretch + _LAST, end))


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
