"""Counters in the memory of this process; with workers, the keeper's, which all of them ask."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Final

from meshplan.runtime.budget.news import News
from meshplan.runtime.budget.port import Charge, Exceeded, Granted, Standing
from meshplan.schemas.budgets import Counter
from meshplan.schemas.ledger.spent import Sums, counting, kept
from meshplan.schemas.windows import LENGTHS, SLIDING, Bucket, Window, bucket, ends, oldest

REMEMBERED: Final = 8192
"""Decisions whose settling is known to have been done."""
SWEEP: Final = 4096
"""New counters after which those are let go that count nothing any more."""


class _Held:
    """The buckets of one counter that count, and their sum."""

    __slots__ = ("_first", "buckets", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.total = self._first = 0

    def add(self, start: int, amount: int) -> None:
        self.buckets[start] = self.buckets.get(start, 0) + amount
        self.total += amount

    def leave(self, first: int) -> None:
        """Let go of buckets before this one."""
        if first == self._first:
            return
        self._first = first
        for start in [start for start in self.buckets if start < first]:
            self.total -= self.buckets.pop(start)


class Embedded:
    """See ``port.Counters``; every method does all of its work at once, so that no two calls can mix."""

    def __init__(self, now: Callable[[], float] = time.time, sweep: int = SWEEP) -> None:
        self._now, self._latest, self._swept_after = now, 0.0, sweep
        self._held: dict[str, _Held] = {}
        self._windows: dict[tuple[Window, str], Bucket] = {}
        self._settled: dict[str, None] = {}
        self._seeds: deque[Sums] = deque()
        self._made, self._news = 0, News()

    @property
    def size(self) -> int:
        """How many counters there are, those included that count nothing any more."""
        return len(self._held)

    def seed(self, sums: Sums) -> None:
        """Add what was spent before this start; from any thread."""
        self._seeds.append(sums)

    async def reserve(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """See ``port.Counters``."""
        return self.reserve_now(decision, charges)

    def reserve_now(self, _decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """As ``reserve``, for whoever need not wait."""
        now = self._clock()
        if self._made >= self._swept_after:
            self._sweep(now)
        found = [self._of(charge, now) for charge in charges]
        over = [
            place
            for place, charge in enumerate(charges)
            if charge.binding and found[place][0].total + charge.amount > charge.limit
        ]
        if over:
            waits = tuple(_wait(charges[place], *found[place], now) for place in over)
            return Exceeded(tuple(over), waits, self._standings(charges, found, now))
        news = False
        for charge, (held, current) in zip(charges, found, strict=True):
            held.add(current.start, charge.amount)
            news = news or held.total > charge.limit or 0 < charge.warn <= held.total
        buckets, standings = tuple([current.start for _, current in found]), self._standings(charges, found, now)
        if news:
            return Granted(buckets, standings, *self._news.of(charges, standings, now))
        return Granted(buckets, standings)

    async def settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """See ``port.Counters``."""
        self.settle_now(decision, charges, granted, actual)

    def settle_now(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """As ``settle``, for whoever need not wait."""
        if decision in self._settled:
            return
        self._settled[decision] = None
        if len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]
        for charge, start, amount in zip(charges, granted.buckets, actual, strict=True):
            held = self._held.get(charge.counter)
            if held is not None and start in held.buckets:
                held.add(start, amount - charge.amount)

    async def read(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See ``port.Counters``."""
        now = self._clock()
        return self._standings(charges, [self._of(charge, now) for charge in charges], now)

    def counting(self) -> Mapping[Counter, int]:
        """What each counter has come to, of what counts now; for those who look."""
        now = self._clock()
        return counting({name: held.buckets for name, held in self._held.items()}, now)

    def _clock(self) -> float:
        """The time, which never goes back here; what was seeded is taken in."""
        self._latest = now = max(self._latest, self._now())
        while self._seeds:
            for name, buckets in self._seeds.popleft().items():
                held = self._held.setdefault(name, _Held())
                for start, amount in buckets.items():
                    held.add(start, amount)
        return now

    def _of(self, charge: Charge, now: float) -> tuple[_Held, Bucket]:
        known = charge.window, charge.zone
        current = self._windows.get(known)
        if current is None or now >= current.end:
            current = self._windows[known] = bucket(charge.window, charge.zone, int(now))
        held = self._held.get(charge.counter)
        if held is None:
            held = self._held[charge.counter] = _Held()
            self._made += 1
        held.leave(oldest(charge.window, current))
        return held, current

    def _sweep(self, now: float) -> None:
        self._made = 0
        for name, held in list(self._held.items()):
            if not held.buckets or max(held.buckets) + kept(name) < now:
                del self._held[name]

    def _standings(
        self, charges: Sequence[Charge], found: Sequence[tuple[_Held, Bucket]], now: float
    ) -> tuple[Standing, ...]:
        return tuple(
            [
                Standing(held.total, _resets(charge.window, held, current, now))
                for charge, (held, current) in zip(charges, found, strict=True)
            ]
        )


def _resets(window: Window, held: _Held, current: Bucket, now: float) -> int:
    width = SLIDING.get(window)
    if width is None:
        return max(1, ceil(current.end - now))
    if not held.buckets:
        return LENGTHS[window]
    first = min(held.buckets)
    return max(1, ceil(ends(window, Bucket(first, first + width)) - now))


def _wait(charge: Charge, held: _Held, current: Bucket, now: float) -> int | None:
    """Seconds until the charge would fit; ``None`` where it never will."""
    if charge.amount > charge.limit:
        return None
    width = SLIDING.get(charge.window)
    if width is None:
        return max(1, ceil(current.end - now))
    left = held.total
    for start in sorted(held.buckets):
        left -= held.buckets[start]
        if left + charge.amount <= charge.limit:
            return max(1, ceil(ends(charge.window, Bucket(start, start + width)) - now))
    return None
