"""Between charges and what scripts take and give; and the verdict of a runtime that is alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from meshplan.runtime.budget.news import News
from meshplan.runtime.budget.port import Charge, Exceeded, Granted, Standing
from meshplan.runtime.budget.redis.mirror import Mirror
from meshplan.schemas.windows import SLIDING, Bucket, Window, bucket, ends


def values(charges: Sequence[Charge], now: int) -> list[str | int]:
    """Eleven of each charge: width of a sliding window's buckets, limit, amount, binding, warn, the calendar's next three."""
    return [value for charge in charges for value in _values(charge, now)]


def _values(charge: Charge, now: int) -> Iterator[str | int]:
    width = SLIDING.get(charge.window, 0)
    yield from (width, charge.limit, charge.amount, int(charge.binding), charge.warn)
    if width:
        yield from [0] * 6
        return
    yield from _candidates(charge.window, charge.zone, now // 60)


@lru_cache(256)
def _candidates(window: Window, zone: str, minute: int) -> tuple[int, ...]:
    """The bucket of our clock and its neighbours: the server's decides, which may be a little before or after."""
    current = bucket(window, zone, minute * 60)
    before, after = bucket(window, zone, current.start - 1), bucket(window, zone, current.end)
    return (*before, *current, *after)


def read(found: Sequence[Any], charges: Sequence[Charge], *, adds: bool) -> Granted | Exceeded:
    """What ``lua.RESERVE`` and ``lua.READ`` answer."""
    now, over, said = int(found[1]), tuple(int(place) for place in found[2]), found[3]
    added = adds and not over
    looks = [_Look(one, charge, now) for one, charge in zip(said, charges, strict=True)]
    standings = tuple(look.standing(charge.amount if added else 0) for look, charge in zip(looks, charges, strict=True))
    if over:
        return Exceeded(over, tuple(looks[place].retry_after(charges[place]) for place in over), standings)
    news = [tuple(int(place) for place in places) for places in found[4:6]]
    return Granted(tuple(look.bucket.start for look in looks), standings, *news)


class _Look:
    """One counter as a script saw it."""

    def __init__(self, said: Sequence[Any], charge: Charge, now: int) -> None:
        self.bucket, self._now = Bucket(int(said[0]), int(said[1])), now
        self._window: Window = charge.window
        self._sum = int(said[2])
        pairs = [int(value) for value in said[3]]
        self._parts = list(zip(pairs[::2], pairs[1::2], strict=True))

    def standing(self, added: int) -> Standing:
        return Standing(self._sum + added, self._left(self._parts[0][0] if self._parts else self.bucket.start))

    def _left(self, start: int) -> int:
        width = SLIDING.get(self._window)
        counted = self.bucket if width is None else Bucket(start, start + width)
        return max(1, ends(self._window, counted) - self._now)

    def retry_after(self, charge: Charge) -> int | None:
        if charge.amount > charge.limit:
            return None
        if self._window not in SLIDING:
            return self._left(self.bucket.start)
        remaining = self._sum
        for start, amount in self._parts:
            remaining -= amount
            if remaining + charge.amount <= charge.limit:
                return self._left(start)
        return self._left(self.bucket.start)


def alone(charges: Sequence[Charge], mirror: Mirror, news: News, now: int, runtimes: int) -> Granted | Exceeded:
    """The verdict without the server: each runtime has its part of every limit, and of what was left when last seen."""
    over = [
        place
        for place, charge in enumerate(charges)
        if charge.binding and charge.amount > mirror.part(charge, now, runtimes)
    ]
    buckets = [bucket(charge.window, charge.zone, now) for charge in charges]
    used = [mirror.own(charge, now) + (0 if over else charge.amount) for charge in charges]
    lefts = [max(1, ends(charge.window, found) - now) for charge, found in zip(charges, buckets, strict=True)]
    standings = tuple(Standing(one, left) for one, left in zip(used, lefts, strict=True))
    if over:
        return Exceeded(tuple(over), tuple(lefts[place] for place in over), standings)
    return Granted(tuple(found.start for found in buckets), standings, *news.of(charges, standings, now))
