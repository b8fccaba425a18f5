"""Calls under way and those that have ended, each with the calls that were made to answer it; and latency by capability."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from meshplan.runtime.admin.console.plots import Count, Rect, histogram
from meshplan.runtime.admin.console.viewer import Viewer
from meshplan.runtime.telemetry.gathered import Gathered, kind_of
from meshplan.runtime.telemetry.meter import Series
from meshplan.runtime.telemetry.telemetry import Row

SHOWN = 100
"""Calls on one page."""
MINUTES = 60


@dataclass(slots=True)
class Node:
    """One attempt, and those that it made; ``running``: it has not ended."""

    row: Row
    running: bool
    made: list[Node] = field(default_factory=list["Node"])

    @property
    def failed(self) -> bool:
        """Whether it went wrong, or was refused."""
        return kind_of(self.row.get("outcome")) != 0


def chains(running: Iterable[Row], ended: Iterable[Row]) -> list[Node]:
    """Attempts that no shown attempt made, the newest first among those that have ended, each with what it made."""
    nodes = {row["decision"]: Node(row, running=False) for row in ended}
    nodes |= {row["decision"]: Node(row, running=True) for row in running}
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.row["parent"]) if node.row["parent"] is not None else None
        (roots if parent is None else parent.made).append(node)
    return roots


def under_way(gathered: Gathered, viewer: Viewer) -> list[Node]:
    """Calls that have not ended, the oldest first, with what they have made so far."""
    running = [row for row in gathered.running() if viewer.sees(row["endpoint"])]
    ended = [row for row in gathered.recent if viewer.sees(row["endpoint"])]
    return [node for node in chains(running, ended) if node.running][:SHOWN]


def ended(gathered: Gathered, viewer: Viewer, *, wrong: bool = False) -> list[Node]:
    """Calls that have ended, the newest first; ``wrong``: only those that failed or were refused."""
    found = chains([], [row for row in gathered.recent if viewer.sees(row["endpoint"])])
    return [node for node in reversed(found) if node.failed or not wrong][:SHOWN]


@dataclass(frozen=True, slots=True)
class Latency:
    """One capability at one endpoint since the runtime was started; quantiles are upper bounds in seconds."""

    endpoint: str
    capability: str
    calls: int
    refused: int
    failed: int
    p50: float | None
    p99: float | None
    took: tuple[Rect, ...]


def latencies(gathered: Gathered, viewer: Viewer) -> list[Latency]:
    """By capability, the most called first."""
    by: dict[tuple[str, str], list[Series]] = {}
    for labels, series in gathered.meter.calls.items():
        if viewer.sees(labels.endpoint) and labels.capability:
            kinds = by.setdefault((labels.endpoint, labels.capability), [Series(), Series(), Series()])
            kinds[kind_of(labels.outcome)].add(series.count, series.seconds, series.buckets)
    found = [_latency(*key, kinds) for key, kinds in by.items()]
    return sorted(found, key=lambda one: (-one.calls, one.capability, one.endpoint))


def _latency(endpoint: str, capability: str, kinds: Sequence[Series]) -> Latency:
    went, sizes = Series(), [series.count for series in kinds]
    for series in (kinds[0], kinds[2]):
        went.add(series.count, series.seconds, series.buckets)
    return Latency(
        endpoint,
        capability,
        sum(sizes),
        sizes[1],
        sizes[2],
        went.quantile(0.5),
        went.quantile(0.99),
        histogram(went.buckets),
    )


def by_minute(gathered: Gathered, viewer: Viewer, now: float) -> list[Count]:
    """The calls that ended in each of the last ``MINUTES`` minutes, oldest first."""
    counted = {minute: [0, 0, 0] for minute in range(int(now // 60) - MINUTES + 1, int(now // 60) + 1)}
    before = [0, 0, 0]
    for place, sample in enumerate(gathered.samples):
        seen = [counts for endpoint, counts in sample.counts.items() if viewer.sees(endpoint)]
        sums = [sum(counts[kind] for counts in seen) for kind in range(3)]
        if place and int(sample.at // 60) in counted:
            into = counted[int(sample.at // 60)]
            for kind in range(3):
                into[kind] += sums[kind] - before[kind]
        before = sums
    return [Count(f"{datetime.fromtimestamp(60 * minute, UTC):%H:%M}", *found) for minute, found in counted.items()]
