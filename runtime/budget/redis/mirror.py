"""What one runtime knows of counters that live elsewhere: what it added itself, what ledgers told, what it has seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from meshplan.runtime.budget.port import Charge, Standing
from meshplan.schemas.budgets import counter_of
from meshplan.schemas.ledger.spent import KEPT, Sums
from meshplan.schemas.windows import bucket, oldest

_PRUNED_EVERY: Final = 4096
"""Additions after which what counts no more is forgotten."""


class Mirror:
    """Sums by counter and bucket; ``told`` is what each chain of the ledger had come to when this run began."""

    def __init__(self, told: Mapping[str, Sums]) -> None:
        self._own: Sums = {}
        self._seen: Sums = {}
        self._alone: Sums = {}
        self._latest: dict[str, tuple[int, float]] = {}
        self._told = told
        self._added = 0

    def add(self, counter: str, start: int, amount: int) -> None:
        """This runtime added something (less, if negative)."""
        sums = self._own.setdefault(counter, {})
        sums[start] = sums.get(start, 0) + amount
        self._added += 1
        if self._added >= _PRUNED_EVERY:
            self._added = 0
            self._forget()

    def see(self, counter: str, start: int, total: int) -> None:
        """All runtimes together have come to this in one bucket."""
        self._seen.setdefault(counter, {})[start] = total

    def stood(self, counter: str, standing: Standing) -> None:
        """All runtimes together had come to this in the whole window."""
        self._latest[counter] = standing.used, time.time() + standing.resets

    def latest(self) -> dict[str, int]:
        """What counters were last seen to hold, of what counts still."""
        now = time.time()
        return {name: used for name, (used, until) in self._latest.items() if until > now}

    def grant_alone(self, counter: str, start: int, amount: int) -> None:
        """This runtime granted something that the others know nothing of, until ``known`` is said."""
        sums = self._alone.setdefault(counter, {})
        sums[start] = sums.get(start, 0) + amount

    def together(self) -> None:
        """The others know all of it again."""
        self._alone.clear()

    def part(self, charge: Charge, now: int, runtimes: int) -> int:
        """How much more this runtime may grant alone: its part of the limit, and of what was left when last seen."""
        mine = charge.limit // runtimes - self.own(charge, now)
        left = (charge.limit - self.seen(charge, now)) // runtimes - _within(
            self._alone.get(charge.counter, {}), charge, now
        )
        return min(mine, left)

    def own(self, charge: Charge, now: int) -> int:
        """What this runtime alone added in the window that ends now."""
        return _within(self._own.get(charge.counter, {}), charge, now)

    def seen(self, charge: Charge, now: int) -> int:
        """What was seen of the window that ends now, when something was last seen of it."""
        return _within(self._seen.get(charge.counter, {}), charge, now)

    def known(self, alive: Iterable[str]) -> dict[str, Any]:
        """All of it, for ``lua.JOIN``; ``alive`` are the other runtimes."""
        self._forget()
        names = {*self._own, *self._seen, *(name for sums in self._told.values() for name in sums)}
        return {"alive": sorted(alive), "counters": [self._counter(name) for name in sorted(names)]}

    def _counter(self, name: str) -> dict[str, Any]:
        own, seen = self._own.get(name, {}), self._seen.get(name, {})
        told = [
            (start, chain, sum_) for chain, sums in self._told.items() for start, sum_ in sums.get(name, {}).items()
        ]
        last = max((*own, *seen, *(start for start, _, _ in told)), default=0)
        return {
            "name": name,
            "gone": last + _kept(name) + 86_400,
            "own": list(own.items()),
            "told": told,
            "seen": list(seen.items()),
        }

    def _forget(self) -> None:
        now = time.time()
        self._latest = {name: found for name, found in self._latest.items() if found[1] > now}
        for sums in (self._own, self._seen, self._alone, *self._told.values()):
            for name, buckets in list(sums.items()):
                for start in [start for start in buckets if start + _kept(name) < now]:
                    del buckets[start]
                if not buckets:
                    del sums[name]


def _kept(name: str) -> int:
    counter = counter_of(name)
    return KEPT["month"] if counter is None else KEPT[counter.window]


def _within(buckets: Mapping[int, int], charge: Charge, now: int) -> int:
    first = oldest(charge.window, bucket(charge.window, charge.zone, now))
    return sum(amount for start, amount in buckets.items() if start >= first)
