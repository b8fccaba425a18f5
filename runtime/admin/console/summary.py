"""What the ledger says of the last day, added up beside the data path: never while a page waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from meshplan.runtime.admin.console.plots import Count
from meshplan.runtime.admin.console.viewer import Viewer
from meshplan.runtime.telemetry.gathered import kind_of
from meshplan.schemas.ledger.book import Chain, Row, open_chains
from meshplan.schemas.ledger.entry import MEASURES
from meshplan.schemas.ledger.segment import UnreadableError
from meshplan.schemas.ledger.traces import traced
from meshplan.schemas.ledger.usage import Usage, usage

DIMENSIONS: Final = ("team", "user", "agent", "application", "capability")
STALE: Final = 30.0
"""Seconds after which a look has the summary made again, and more where making it takes long."""
PAUSE: Final = 20
"""For every second that making it took, so many pass before it is made again."""
QUIET: Final = 1.0
"""Seconds that a runtime which has just begun gets for its first calls."""
HOURS: Final = 24
MOST: Final = 25
"""Rows of a table."""
_CALLS, _COST = MEASURES.index("calls"), MEASURES.index("cost_nano")
_IN, _OUT = MEASURES.index("input_tokens"), MEASURES.index("output_tokens")


@dataclass(slots=True)
class Spent:
    """What one user, team, agent, application or capability has used; money by currency in billionths."""

    name: str | None
    calls: int = 0
    tokens: int = 0
    money: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Summary:
    """The day until ``until``: by endpoint, currency and each of ``DIMENSIONS``, and by endpoint, hour and outcome."""

    until: datetime
    by: Mapping[str, Usage]
    hours: Usage

    def spent(self, dimension: str, viewer: Viewer) -> list[Spent]:
        """Who has used most, of what a viewer may see."""
        found: dict[str | None, Spent] = {}
        for (endpoint, name, currency), sums in self.by[dimension].rows.items():
            if not viewer.sees(None if endpoint is None else str(endpoint)):
                continue
            called = None if name is None else str(name)
            row = found.setdefault(called, Spent(called))
            row.calls += sums[_CALLS]
            row.tokens += sums[_IN] + sums[_OUT]
            if currency is not None and sums[_COST]:
                row.money[str(currency)] = row.money.get(str(currency), 0) + sums[_COST]
        ordered = sorted(found.values(), key=lambda row: (-sum(row.money.values()), -row.calls, row.name or ""))
        return ordered[:MOST]

    def day(self, viewer: Viewer) -> list[Count]:
        """Calls by hour, oldest first."""
        first = self.until - timedelta(hours=HOURS - 1)
        labels = [(first + timedelta(hours=number)).isoformat()[:13] for number in range(HOURS)]
        found = {label: [0, 0, 0] for label in labels}
        for (endpoint, hour, outcome), sums in self.hours.rows.items():
            if str(hour) in found and viewer.sees(None if endpoint is None else str(endpoint)):
                found[str(hour)][kind_of(outcome)] += sums[_CALLS]
        return [Count(f"{label[11:13]}:00", *found[label]) for label in labels]


class Ledgers:
    """Reads the ledger of the newest plan; ``folder`` says where it is, ``None`` without one."""

    def __init__(
        self, folder: Callable[[], Path | None], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder, self._now = folder, now
        self.summary: Summary | None = None
        self.error: str | None = None
        self._again_at = 0.0
        self._looked = anyio.Event()

    @property
    def kept(self) -> bool:
        """Whether there is a ledger."""
        return self._folder() is not None

    def look(self) -> Summary | None:
        """The newest summary, however old; an old one is made again in the background."""
        if time.monotonic() > self._again_at:
            self._looked.set()
        return self.summary

    async def run(self) -> None:
        """Make a summary soon, and whenever somebody looks at an old one, until cancelled."""
        await anyio.sleep(QUIET)
        while True:
            self._looked = anyio.Event()
            folder = self._folder()
            if folder is not None:
                await anyio.to_thread.run_sync(self._make, folder)
            await self._looked.wait()

    def _make(self, folder: Path) -> None:
        until, began = self._now(), time.monotonic()
        since = (until - timedelta(hours=HOURS - 1)).replace(minute=0, second=0, microsecond=0)
        try:
            with open_chains(folder) as chains:
                self.summary = summarise(chains, since, until)
            self.error = None
        except UnreadableError as error:
            self.error = str(error)
        took = time.monotonic() - began
        self._again_at = began + max(STALE, PAUSE * took)

    async def trace(self, wanted: str) -> list[Row]:
        """The entries of an attempt, a call or a trace; none where there is no ledger to read."""
        folder = self._folder()
        return [] if folder is None else await anyio.to_thread.run_sync(_traced, folder, wanted)


def summarise(chains: list[Chain], since: datetime, until: datetime) -> Summary:
    """Add up what began in [since, until)."""
    whole = ("endpoint", "user", "agent", "application", "capability", "outcome", "currency", "hour")
    found = usage(chains, whole, since, until)
    by = {name: _less(found, ("endpoint", name, "currency")) for name in DIMENSIONS if name != "team"}
    by["team"] = usage(chains, ("endpoint", "team", "currency"), since, until)  # somebody may be in several
    return Summary(until, by, _less(found, ("endpoint", "hour", "outcome")))


def _less(found: Usage, by: tuple[str, ...]) -> Usage:
    """The same by fewer dimensions."""
    places, less = [found.by.index(name) for name in by], Usage(by)
    for key, sums in found.rows.items():
        short = tuple([key[place] for place in places])
        row = less.rows.get(short)
        less.rows[short] = list(sums) if row is None else [one + more for one, more in zip(row, sums, strict=True)]
    return less


def _traced(folder: Path, wanted: str) -> list[Row]:
    try:
        with open_chains(folder) as chains:
            return traced(chains, wanted)
    except UnreadableError:
        return []
