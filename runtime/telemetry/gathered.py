"""What all processes of a runtime see, put together for whoever looks: /metrics and the console."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import anyio

from meshplan.runtime.telemetry.meter import Meter
from meshplan.runtime.telemetry.telemetry import Row, Telemetry

EVERY: Final = 1.0
"""Seconds between two messages of a worker."""
SAMPLES: Final = 360
SAMPLE_SECONDS: Final = 10.0
"""An hour of samples."""
KEPT: Final = 500
"""Calls that are remembered after their end."""


class Sample(NamedTuple):
    """How many calls of each endpoint had ended at a time: neither refused nor failed, refused, failed."""

    at: float
    counts: dict[str, list[int]]


class Gathered:
    """Adds up; ``own`` is this process's part, asked whenever somebody looks."""

    def __init__(self, own: Telemetry | None = None, now: Callable[[], float] = time.time) -> None:
        self._own, self._now = own, now
        self.meter = Meter()
        self.recent: deque[Row] = deque(maxlen=KEPT)
        self.samples: deque[Sample] = deque([Sample(now(), {})], maxlen=SAMPLES)
        self._parts: dict[object, dict[str, Any]] = {}

    def take(self, source: object, part: dict[str, Any]) -> None:
        """Add what a process has seen since its last message."""
        self.meter.add(part["meter"])
        self.recent.extend(part["recent"])
        self._parts[source] = part

    def leave(self, source: object) -> None:
        """A process has gone, and with it what was under way there."""
        self._parts.pop(source, None)

    def look(self) -> Gathered:
        """This, as it is right now."""
        if self._own is not None:
            self.take(self, self._own.drain())
        return self

    def running(self) -> list[Row]:
        """Calls under way, the oldest first."""
        rows = [row for part in self._parts.values() for row in part["running"]]
        return sorted(rows, key=lambda row: -row["seconds"])

    def gauges(self) -> dict[str, int]:
        """Numbers of all processes, added up."""
        found: dict[str, int] = {}
        for part in self._parts.values():
            for name, number in part["gauges"].items():
                found[name] = found.get(name, 0) + number
        return found

    def sample(self) -> None:
        """Remember how many had ended by now."""
        counts: dict[str, list[int]] = {}
        for (endpoint, outcome), series in self.look().meter.by("endpoint", "outcome").items():
            counts.setdefault(endpoint, [0, 0, 0])[kind_of(outcome)] += series.count
        self.samples.append(Sample(self._now(), counts))

    async def run(self) -> None:
        """Take samples until cancelled."""
        while True:
            await anyio.sleep(SAMPLE_SECONDS)
            self.sample()


FAILED: Final = frozenset({"tool_error", "upstream_error", "timeout", "unknown"})
"""Outcomes of calls that were let through and went wrong."""
REFUSED: Final = frozenset(
    {"denied", "unauthenticated", "invalid", "rate_limited", "over_budget", "quarantined", "overloaded"}
)
"""Outcomes of what the mesh itself refused."""


def kind_of(outcome: object) -> int:
    """0: as it should be, 1: refused by the mesh, 2: failed."""
    return 1 if outcome in REFUSED else 2 if outcome in FAILED else 0
