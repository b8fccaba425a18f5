"""What goes on beside a request that takes its time: most are over before it would have begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

AFTER = 0.25
"""Seconds: a client that leaves sooner is noticed then."""


class Watch:
    """Begins some work in a task of its own if it is not ended within ``AFTER`` seconds."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(AFTER, self._begin)
        self._task: asyncio.Task[None] | None = None

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work())

    async def end(self) -> None:
        """Stop the work, if it began; raises what it raised."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
