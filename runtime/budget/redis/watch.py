"""What shared counters hold, for those who look: read beside the data path, about once a second while somebody does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

import anyio

from meshplan.runtime.budget.port import Charge, CountersUnavailableError
from meshplan.runtime.budget.redis.counters import RedisCounters
from meshplan.schemas.budgets import Counter, counter_of
from meshplan.schemas.windows import bucket

EVERY: Final = 1.0
"""Seconds between two looks, at least."""
PAUSE: Final = 10
"""For every second that a look took, so many pass before the next, but no more than ``LONGEST``."""
LONGEST: Final = 5.0
"""Seconds."""
WATCHED: Final = 60.0
"""Seconds for which looks go on after somebody has asked."""
MOST: Final = 10_000
"""Counters that are looked at."""
_AT_ONCE: Final = 100
"""Counters of one command."""


class Watch:
    """Holds what was last seen, and when."""

    def __init__(self, counters: RedisCounters, now: Callable[[], float] = time.monotonic) -> None:
        self._counters, self._now = counters, now
        self._seen: Mapping[Counter, int] | None = None
        self._at, self._asked_at = 0.0, now()
        self._asked = anyio.Event()

    @property
    def age(self) -> float | None:
        """Seconds since the newest look; ``None`` before the first."""
        return None if self._seen is None else round(self._now() - self._at, 1)

    def newest(self) -> Mapping[Counter, int]:
        """What was seen, however old; before the first look, what this runtime heard with its own calls."""
        self._asked_at = self._now()
        self._asked.set()
        if self._seen is not None:
            return self._seen
        found = {counter_of(name): used for name, used in self._counters.sums().items()}
        return {counter: used for counter, used in found.items() if counter is not None}

    async def run(self) -> None:
        """Look, and look again while somebody asks, until cancelled."""
        while True:
            if self._now() - self._asked_at > WATCHED:
                self._asked = anyio.Event()
                await self._asked.wait()
            began = self._now()
            try:
                self._seen = await self.look()
                self._at = began
            except CountersUnavailableError:
                began = self._now()
            await anyio.sleep(min(max(EVERY, PAUSE * (self._now() - began)), LONGEST))

    async def look(self) -> Mapping[Counter, int]:
        """The sums that are there now, without zeros; raises ``CountersUnavailableError``."""
        known = [found for name in await self._counters.names(MOST) if (found := _charge(name)) is not None]
        seen: dict[Counter, int] = {}
        for begin in range(0, len(known), _AT_ONCE):
            some = known[begin : begin + _AT_ONCE]
            standings = await self._counters.read([charge for _, charge in some])
            seen |= {counter: one.used for (counter, _), one in zip(some, standings, strict=True) if one.used}
        return seen


def _charge(name: str) -> tuple[Counter, Charge] | None:
    """What reading a counter takes; ``None`` for one that a runtime of another version may have made."""
    counter = counter_of(name)
    try:
        if counter is not None:
            bucket(counter.window, counter.zone, int(time.time()))
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return None if counter is None else (counter, Charge(name, counter.window, counter.zone, 0, 0, binding=False))
