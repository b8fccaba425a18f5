"""When spending counts: the buckets that budgets' windows are made of, as whole seconds; every backend of counters agrees on it.

A sliding window (minute, hour) is the current bucket and the sixty before it, a bucket being a second or a minute: whatever
fell into the last sixty seconds or minutes counts, and up to one bucket more. A calendar window (day, month) is one bucket,
from midnight to midnight in a time zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

Window = Literal["minute", "hour", "day", "month"]

SLIDING: Final = {"minute": 1, "hour": 60}
"""Seconds of one bucket."""
BEFORE: Final = 60
"""Buckets before the current one that count in a sliding window."""
LENGTHS: Final = {"minute": 60, "hour": 3600, "day": 86_400, "month": 30 * 86_400}
"""Seconds, as windows are announced; a month is about that long."""


class Bucket(NamedTuple):
    """From ``start`` until before ``end``, in seconds since the epoch."""

    start: int
    end: int


def bucket(window: Window, zone: str, now: int) -> Bucket:
    """What spending at a moment (seconds since the epoch) falls into; raises ``ZoneInfoNotFoundError``."""
    width = SLIDING.get(window)
    if width is not None:
        start = now - now % width
        return Bucket(start, start + width)
    place = ZoneInfo(zone)
    first = _first(window, datetime.fromtimestamp(now, UTC).astimezone(place).date())
    # Where clocks are put back over midnight, or forward, the date alone would come twice, or too early.
    while _begin(_next(window, first), place) <= now:
        first = _next(window, first)
    while _begin(first, place) > now:
        first = _first(window, first - timedelta(days=1))
    return Bucket(_begin(first, place), _begin(_next(window, first), place))


def oldest(window: Window, current: Bucket) -> int:
    """The start of the oldest bucket that counts while ``current`` is the newest."""
    return current.start - BEFORE * SLIDING.get(window, 0)


def ends(window: Window, counted: Bucket) -> int:
    """When what fell into a bucket counts no more, in seconds since the epoch."""
    return counted.end + BEFORE * SLIDING.get(window, 0)


def _first(window: Window, day: date) -> date:
    return day.replace(day=1) if window == "month" else day


def _next(window: Window, first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1) if window == "month" else first + timedelta(days=1)


def _begin(day: date, place: ZoneInfo) -> int:
    """The first moment at which clocks there show the midnight that begins a day; where they skip it, when they do."""
    return int(datetime(day.year, day.month, day.day, tzinfo=place).timestamp())
