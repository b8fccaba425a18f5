"""Who used what: outcomes over a window by any dimensions, from hourly totals, and from entries at the window's edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from meshplan.schemas.ledger.book import Chain, UnreadableError
from meshplan.schemas.ledger.entry import DIMENSIONS, SUMS, Value

TIMES: Final = {"hour": 13, "day": 10, "month": 7}
"""Calendar stretches in UTC, as the length of what begins a time."""

DIMENSIONS_ASKED: Final = ("team", *(name for name in DIMENSIONS if name != "teams"), *TIMES)
MEASURES: Final = ("calls", *SUMS)


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
    whole_from = _hour(since + timedelta(hours=1) - timedelta(microseconds=1))
    whole_to = _hour(until)
    for chain in chains:
        if whole_from >= whole_to:
            _entries(chain, found, start, end)
            continue
        _totals(chain, found, whole_from, whole_to)
        _entries(chain, found, start, whole_from)
        _entries(chain, found, whole_to, end)
    return found


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _hour(moment: datetime) -> str:
    return _text(moment)[:13]


def _totals(chain: Chain, found: Usage, first: str, end: str) -> None:
    groups = chain.groups()
    sums = ", ".join(f"sum({name})" for name in MEASURES)
    finest = max((TIMES[name] for name in found.by if name in TIMES), default=0)
    sql = (
        f'SELECT substr(hour, 1, {finest}) AS stretch, "group", {sums} FROM totals '
        f'WHERE hour >= ? AND hour < ? GROUP BY stretch, "group"'
    )
    for row in chain.db.execute(sql, (first, end)):
        if row[1] not in groups:
            raise UnreadableError(f"the totals name a group {row[1]} that is not there; run `mesh ledger verify`")
        found.add(row[0], groups[row[1]], row[2:])


def _entries(chain: Chain, found: Usage, start: str, end: str) -> None:
    if start >= end:
        return
    first, last = chain.first_at(start), chain.first_at(end)
    names = ", ".join(f'"{name}"' for name in DIMENSIONS)
    sums = ", ".join(["count(*)", *(f"coalesce(sum({name}), 0)" for name in SUMS)])
    sql = (
        f"SELECT substr(at, 1, 13) AS hour, {names}, {sums} FROM entries "
        f"WHERE seq >= ? AND seq < ? AND kind = 'outcome' GROUP BY hour, {names}"
    )
    for row in chain.db.execute(sql, (first, last)):
        found.add(row[0], row[1 : 1 + len(DIMENSIONS)], row[1 + len(DIMENSIONS) :])
