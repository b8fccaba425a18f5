"""The line at a server whose turns all workers take: each lets in whom it has in line, and looks again while some wait."""

from __future__ import annotations

import asyncio
from random import SystemRandom
from typing import Final

from meshplan.runtime.crowd import Line
from meshplan.runtime.supervisor.board import Shared

LOOK: Final = 0.002
"""Seconds between two looks of a worker in which calls wait; those who came last must not look more often than others."""

_lot = SystemRandom()


class CommonLine(Line):
    """See ``crowd.Line``. In order within a worker; between workers a turn goes by lot, each who waits having one.

    While anybody waits, one turn is left for those in line: whoever just comes must not overtake them for ever.
    """

    def __init__(self, server: str, turns: Shared, waits: Shared) -> None:
        super().__init__(server, turns, waits)
        self._shared_waits = waits
        self._looking: asyncio.TimerHandle | None = None

    def enter(self, limit: int) -> bool:
        """See ``crowd.Line``."""
        self.limit = limit
        if self.waiting:
            return False
        return self.turns.enter(self.who, limit - 1) or (
            not self.waits.total(self.who) and self.turns.enter(self.who, limit)
        )

    def joined(self) -> None:
        """See ``crowd.Line``."""
        if self._looking is None:
            self._look_later()

    def leave(self) -> None:
        """See ``crowd.Line``."""
        if self.waiting and _lot.random() * self.waits.total(self.who) < self._shared_waits.here(self.who):
            super().leave()
        else:
            self.turns.leave(self.who)

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _look(self) -> None:
        self._looking = None
        while self.waiting and self.turns.enter(self.who, self.limit):
            self.call_next()
        if self.waiting:
            self._look_later()
