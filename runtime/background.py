"""Work that outlives the request that asked for it, in one task group with one owner."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio

Work = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """Starts work in the group that ``run`` owns; what was asked for before it runs starts then."""

    def __init__(self) -> None:
        self._waiting: list[Work] = []
        self._wake = anyio.Event()

    async def run(self) -> None:
        """Own the work until cancelled; the end cancels it."""
        async with anyio.create_task_group() as group:
            while True:
                waiting, self._waiting = self._waiting, []
                for work in waiting:
                    group.start_soon(work)
                await self._wake.wait()
                self._wake = anyio.Event()

    def start(self, work: Work) -> None:
        """Run this from now on; it deals with its own failures."""
        self._waiting.append(work)
        self._wake.set()
