"""A deadline that moves with every request of a connection, on a timer that seldom does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

NEVER: Final = float("inf")
_EARLY: Final = 0.002
"""Seconds by which an event loop may be early: it counts in milliseconds."""


class Deadline:
    """Calls ``passed`` once the time (the event loop's seconds) that was set last has come.

    Setting a later time, or none, leaves the timer as it is: when it goes off too early, it is set again.
    """

    __slots__ = ("_at", "_passed", "_timer", "_timer_at")

    def __init__(self, passed: Callable[[], None]) -> None:
        self._passed = passed
        self._at = self._timer_at = NEVER
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """From now on it is this time; ``NEVER`` for none."""
        self._at = at
        if at < self._timer_at:
            self._start(at)

    def _start(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(at, self._look), at

    def _look(self) -> None:
        self._timer, self._timer_at = None, NEVER
        at = self._at
        if at == NEVER:
            return
        if asyncio.get_running_loop().time() + _EARLY < at:
            self._start(at)
        else:
            self._at = NEVER
            self._passed()

    def close(self) -> None:
        """It will not come any more."""
        self._at = NEVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, NEVER
