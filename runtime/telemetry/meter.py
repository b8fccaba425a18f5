"""Counts and latencies of attempts, by labels that are bounded in number; several processes' counts add up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from meshplan.runtime.record import Attempt

BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds: those of OpenTelemetry's MCP metrics, and three below."""
MAX_SERIES: Final = 2_000
"""Label sets that are told apart; what is new beyond them is counted as ``OTHER``."""
OTHER: Final = "other"
_REMEMBERED: Final = 10_000


class Labels(NamedTuple):
    """What attempts are told apart by; empty where there is none."""

    endpoint: str
    server: str
    capability: str
    method: str
    outcome: str


Bound = Callable[[Labels], Labels]
"""Replaces what a caller made up: names that the plan does not have."""


@dataclass(slots=True)
class Series:
    """How often, how long altogether in seconds, and how many within each bound (the last: beyond all)."""

    count: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def took(self, seconds: float) -> None:
        """One more, which took so long."""
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def add(self, count: int, seconds: float, buckets: Iterable[int]) -> None:
        """As many more."""
        self.count += count
        self.seconds += seconds
        for place, number in enumerate(buckets):
            self.buckets[place] += number

    def quantile(self, share: float) -> float | None:
        """The bound in seconds within which this share of all was done; ``None`` without any, infinite beyond all bounds."""
        wanted, seen = share * self.count, 0
        if not self.count:
            return None
        for place, number in enumerate(self.buckets[:-1]):
            seen += number
            if seen >= wanted:
                return BOUNDS[place]
        return float("inf")


def _as_they_are(labels: Labels) -> Labels:
    return labels


class Meter:
    """Counts what has ended; belongs to one event loop."""

    def __init__(self, bound: Bound = _as_they_are) -> None:
        self._bound = bound
        self.calls: dict[Labels, Series] = {}
        self.upstreams: dict[str, Series] = {}
        self._known: dict[tuple[str | None, ...], Series] = {}

    def ended(self, attempt: Attempt, server: str | None = None, upstream: float | None = None) -> None:
        """One attempt has ended; ``upstream`` is how long its server took, in seconds."""
        key = attempt.endpoint, server, attempt.capability, attempt.method, attempt.outcome
        series = self._known.get(key)
        if series is None:
            series = self._remember(key)
        series.took(attempt.duration)
        if upstream is not None and server is not None:
            found = self.upstreams.get(server)
            if found is None:
                found = self.upstreams.setdefault(server, Series())
            found.took(upstream)

    def _remember(self, key: tuple[str | None, ...]) -> Series:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        series = self._known[key] = self._series(self._bound(Labels(*(name or "" for name in key))))
        return series

    def _series(self, labels: Labels) -> Series:
        if labels not in self.calls and len(self.calls) >= MAX_SERIES:
            labels = Labels(OTHER, OTHER, OTHER, OTHER, labels.outcome)
        return self.calls.setdefault(labels, Series())

    def drain(self) -> dict[str, Any]:
        """Everything that was counted since the last time, to be added elsewhere; JSON."""
        calls = [[list(labels), found.count, found.seconds, found.buckets] for labels, found in self.calls.items()]
        upstreams = [[name, found.count, found.seconds, found.buckets] for name, found in self.upstreams.items()]
        self.calls, self.upstreams, self._known = {}, {}, {}
        return {"calls": calls, "upstreams": upstreams}

    def add(self, drained: dict[str, Any]) -> None:
        """Add what another process counted."""
        for labels, count, seconds, buckets in drained["calls"]:
            self._series(Labels(*labels)).add(count, seconds, buckets)
        for name, count, seconds, buckets in drained["upstreams"]:
            self.upstreams.setdefault(name, Series()).add(count, seconds, buckets)

    def by(self, *names: str) -> dict[tuple[str, ...], Series]:
        """The calls added up by some of the labels."""
        found: dict[tuple[str, ...], Series] = {}
        for labels, series in self.calls.items():
            key = tuple(getattr(labels, name) for name in names)
            found.setdefault(key, Series()).add(series.count, series.seconds, series.buckets)
        return found
