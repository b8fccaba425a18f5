"""The ledger as a worker sees it: entries go to the keeper, whose one thread writes them for all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final

import anyio

from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import CAPACITY, WINDOW
from meshplan.runtime.record import Say
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError
from meshplan.schemas.ledger.entry import Entry, decode, encode

BATCH: Final = 1024
"""Entries in one message."""


class Pages:
    """See ``book.Pen``. ``run`` is the owner task: one message at a time, so that a keeper that cannot write is felt here."""

    def __init__(self, keeper: Peer, say: Say) -> None:
        self._keeper, self._say = keeper, say
        self.failing: str | None = None
        self._waiting: list[Entry] = []
        self._on_disk: list[anyio.Event] = []
        self._unrecorded: Counter[str] = Counter()
        self._wake, self._hurry = anyio.Event(), anyio.Event()

    @property
    def chain(self) -> str:
        """See ``book.Pen``."""
        return ""

    @property
    def waiting(self) -> int:
        """See ``book.Pen``."""
        return len(self._waiting)

    @property
    def behind(self) -> float:
        """See ``book.Pen``: the keeper knows."""
        return 0.0

    def keep(self, retention: timedelta | None) -> None:
        """See ``book.Pen``: the keeper's book does."""

    @property
    def full(self) -> bool:
        """See ``book.Pen``."""
        return len(self._waiting) >= CAPACITY

    def put(self, entry: Entry) -> None:
        """See ``book.Pen``."""
        self._waiting.append(entry)
        self._wake.set()

    async def written(self, entry: Entry | None = None) -> None:
        """See ``book.Pen``."""
        done = anyio.Event()
        if entry is not None:
            self._waiting.append(entry)
        self._on_disk.append(done)
        self._wake.set()
        self._hurry.set()
        await done.wait()

    def unrecorded(self, outcome: str) -> None:
        """See ``book.Pen``."""
        self._unrecorded[outcome] += 1
        self._wake.set()

    def close(self) -> None:
        """See ``book.Pen``: the keeper closes the ledger."""

    async def run(self) -> None:
        """Hand over what comes together, until cancelled."""
        while True:
            await self._wake.wait()
            with anyio.move_on_after(WINDOW):
                await self._hurry.wait()
            await self.drain()

    async def drain(self) -> None:
        """Hand over everything that waits; what the keeper no longer takes is lost, and said to be."""
        while self._waiting or self._on_disk or self._unrecorded:
            self._wake, self._hurry = anyio.Event(), anyio.Event()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            told, self._on_disk = ([], self._on_disk) if self._waiting else (self._on_disk, [])
            missing, self._unrecorded = self._unrecorded, Counter[str]()
            message = {
                "entries": [encode(entry).decode() for entry in batch],
                "sync": bool(told),
                "unrecorded": dict(missing),
            }
            try:
                self.failing = await self._keeper.call("ledger", message)
            except (LinkLostError, RefusalError) as error:
                self.failing = "the ledger's writer has gone"
                self._say("ledger_lost", {"entries": len(batch) + len(self._waiting), "error": str(error)})
                self._waiting = []
                return
            for done in told:
                done.set()


async def take(book: Book, message: dict[str, Any]) -> str | None:
    """Write what a worker handed over; returns when there is room for more, and why entries cannot be written."""
    pen = book.pen
    if pen is None:
        raise RefusalError({"reason": "there is no ledger"})
    for entry in message["entries"]:
        pen.put(decode(entry.encode()))
    for outcome, times in message["unrecorded"].items():
        for _ in range(times):
            pen.unrecorded(outcome)
    if message["sync"] or pen.full:
        await pen.written()
    return pen.failing
