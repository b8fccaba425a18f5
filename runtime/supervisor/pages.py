"""The ledger as a worker sees it: entries go to the keeper, whose one thread writes them for all."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

import anyio

from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import CAPACITY, LATE, WINDOW
from meshplan.runtime.record import Say
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError
from meshplan.schemas.ledger.entry import Entry, decode, encode
from meshplan.schemas.plan import Ledger as Settings

BATCH: Final = 1024
"""Entries in one message."""
GATHER: Final = 0.05
"""Share of the window that entries wait for others here, before they do so at the keeper."""


class Pages:
    """See ``book.Pen``. ``run`` is the owner task: one message at a time, so that a keeper that cannot write is felt here."""

    def __init__(self, keeper: Peer, say: Say) -> None:
        self._keeper, self._say = keeper, say
        self.failing: str | None = None
        self._waiting: list[Entry] = []
        self._held, self._window = 0, WINDOW
        self._since, self._held_since = 0.0, 0.0
        self._on_disk: list[anyio.Event] = []
        self._unrecorded: Counter[str] = Counter()
        self._wake, self._hurry = anyio.Event(), anyio.Event()
        self._turn = anyio.Lock()

    @property
    def chain(self) -> str:
        """See ``book.Pen``."""
        return ""

    @property
    def waiting(self) -> int:
        """See ``book.Pen``."""
        return len(self._waiting) + self._held

    @property
    def behind(self) -> float:
        """See ``book.Pen``."""
        since = self._held_since or (self._since if self._waiting else None)
        return 0.0 if since is None else time.monotonic() - since

    @property
    def full(self) -> bool:
        """See ``book.Pen``."""
        return self.waiting >= CAPACITY

    @property
    def late(self) -> bool:
        """See ``book.Pen``."""
        return self.behind > self._window * LATE

    def follow(self, settings: Settings) -> None:
        """See ``book.Pen``: the keeper's book does the rest."""
        self._window = settings.window_ms / 1000

    def put(self, entry: Entry) -> None:
        """See ``book.Pen``."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(entry)
        self._wake.set()

    async def written(self, entry: Entry | None = None, *, hurry: bool = True) -> None:
        """See ``book.Pen``."""
        done = anyio.Event()
        if entry is not None:
            self.put(entry)
        self._on_disk.append(done)
        self._wake.set()
        if hurry:
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
            with anyio.move_on_after(self._window * GATHER):
                await self._hurry.wait()
            await self.drain()

    async def drain(self) -> None:
        """Hand over everything that waits, and wait for what is under way; what the keeper no longer takes is lost, and said to be."""
        async with self._turn:
            while self._waiting or self._on_disk or self._unrecorded:
                if not await self._hand_over():
                    return

    async def _hand_over(self) -> bool:
        """One message; whether the keeper took it."""
        self._wake, self._hurry = anyio.Event(), anyio.Event()
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        told, self._on_disk = ([], self._on_disk) if self._waiting else (self._on_disk, [])
        missing, self._unrecorded = self._unrecorded, Counter[str]()
        self._held, self._held_since = len(batch), self._since
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
            return False
        finally:
            self._held, self._held_since = 0, 0.0
        for done in told:
            done.set()
        return True


async def take(book: Book, message: dict[str, Any]) -> str | None:
    """Write what a worker handed over; returns when it is on the disk, and why entries could not be written meanwhile."""
    pen = book.pen
    if pen is None:
        raise RefusalError({"reason": "there is no ledger"})
    for entry in message["entries"]:
        pen.put(decode(entry.encode()))
    for outcome, times in message["unrecorded"].items():
        for _ in range(times):
            pen.unrecorded(outcome)
    await pen.written(hurry=message["sync"])
    return pen.failing
