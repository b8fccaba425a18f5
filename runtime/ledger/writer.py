"""The one thread that writes a ledger: takes entries from a bounded queue and commits them in groups."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

import msgspec

from meshplan.runtime.ledger.file import Keeping, LedgerFile
from meshplan.runtime.record import Say
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.segment import UnreadableError
from meshplan.schemas.plan import Ledger as Settings

WINDOW: Final = 0.1
"""Seconds within which everything began that a crash can lose of a ledger that is not strict, if no plan says another."""
GATHER, LATE = 0.3, 0.6
"""Shares of the window: how long entries wait for others, and from when on calls wait for the disk; the rest is for what
comes between that and the upstream."""
CAPACITY: Final = 8192
"""Entries that wait to be written before calls are held back."""
TEND: Final = 10.0
"""Seconds between two signed heads, and two looks at what is due besides."""
LAST: Final = 5.0
"""Seconds that a disk which fails gets when the runtime stops."""
_BACKOFF: Final = 0.25

_Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def utc_text() -> str:
    """Now, as entries spell it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Writer:
    """Owner of one ``LedgerFile``; entries are handed over from the event loop and written by a thread of its own."""

    def __init__(
        self,
        folder: Path,
        say: Say,
        *,
        window: float = WINDOW,
        capacity: int = CAPACITY,
        now: Callable[[], str] = utc_text,
        keeping: Keeping | None = None,
    ) -> None:
        """Open the ledger, which raises ``LedgerError``, and start."""
        self.failing: str | None = None
        self._say, self._now, self._window, self._capacity = say, now, window, capacity
        self._keeping = keeping or Keeping()
        self._file = LedgerFile(folder, now, self._keeping)
        self._queue: deque[Entry] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._held = 0
        self._since, self._held_since = time.monotonic(), 0.0
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._rung = self._hurried = self._stopped = False
        self._unrecorded: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @property
    def chain(self) -> str:
        """See ``book.Pen``."""
        return self._file.writer

    @property
    def waiting(self) -> int:
        """Entries that are not on the disk yet."""
        return len(self._queue) + self._held

    @property
    def full(self) -> bool:
        """Whether so many entries wait that a call should wait for them, or be refused."""
        return len(self._queue) + self._held >= self._capacity

    @property
    def behind(self) -> float:
        """Seconds that the oldest entry which is not on the disk has waited, or a little more."""
        since = self._held_since or (self._since if self._queue else None)
        return 0.0 if since is None else time.monotonic() - since

    @property
    def late(self) -> bool:
        """Whether a call has to wait until its intent is on the disk, as a crash would lose more than the window else."""
        return self.behind > self._window * LATE

    def follow(self, settings: Settings) -> None:
        """From now on, keep what this says, and within its window."""
        kept = settings.retention_ms
        self._keeping.retention = None if kept is None else timedelta(milliseconds=kept)
        self._window = settings.window_ms / 1000

    def put(self, entry: Entry) -> None:
        """Hand over one entry; those of calls that were let in are always taken."""
        self._queue.append(entry)
        if not self._rung:
            self._ring()

    async def written(self, entry: Entry | None = None, *, hurry: bool = True) -> None:
        """Hand over an entry, and wait until it and everything before it are on the disk; in a hurry, without others."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if entry is not None:
            self._queue.append(entry)
        self._waiters.append((loop, done))
        if not self._rung:
            self._ring()
        if hurry and not self._hurried:
            self._hurried = True
            self._bell.put(True)
        await done

    def _ring(self) -> None:
        """The writer is told once of what it finds later."""
        self._since, self._rung = time.monotonic(), True
        self._bell.put(False)

    def unrecorded(self, outcome: str) -> None:
        """A request ended like this while there was no room for its entry; a later entry says how many did."""
        self._unrecorded[outcome] += 1

    def close(self) -> None:
        """Write what waits, sign the head, and let go of the file."""
        self._stopped = True
        self._bell.put(True)
        self._thread.join()

    def _run(self) -> None:
        tend_at = 0.0
        while not self._stopped:
            self._rest()
            self._drain()
            if time.monotonic() >= tend_at:
                self._tend()
                tend_at = time.monotonic() + TEND
            elif self._file.folds_due:
                self._try(self._file.fold)
        self._drain()
        self._file.sum_up()
        self._tend()
        self._file.close()

    def _rest(self) -> None:
        """Until entries have waited for others, somebody waits for them, or there is something to tend."""
        with suppress(Empty):
            hurry = self._bell.get(timeout=TEND)
            while not hurry:
                gathered = self._since + self._window * GATHER
                hurry = self._bell.get(timeout=max(0.0, gathered - time.monotonic()))

    def _drain(self) -> None:
        """Write what is there; who waits for it comes first, as entries are handed over before somebody waits for them."""
        self._rung = self._hurried = False
        waiters = _taken(self._waiters)
        if self._queue:
            self._held_since = self._since
            entries = _taken(self._queue)
            self._held = len(entries)
            if self._unrecorded:
                missing, self._unrecorded = self._unrecorded, Counter()
                entries.append(Entry("gap", self._now(), detail=msgspec.json.encode(missing, order="sorted").decode()))
            if not self._append(entries):
                self._say("ledger_lost", {"entries": len(entries) + len(self._queue), "error": self.failing})
                return
            self._held, self._held_since = 0, 0.0
        _release(waiters)

    def _append(self, entries: list[Entry]) -> bool:
        """Commit, however often it takes; gives up only when the runtime stops."""
        deadline: float | None = None
        while True:
            try:
                self._file.append(entries)
            except (sqlite3.Error, OSError) as error:
                self._fail(str(error))
            else:
                break
            if self._stopped:
                deadline = deadline or time.monotonic() + LAST
                if time.monotonic() > deadline:
                    return False
            time.sleep(_BACKOFF)
        if self.failing is not None:
            self.failing = None
            self._say("ledger_writes_again", {})
        return True

    def _fail(self, error: str) -> None:
        if self.failing != error:
            self._say("ledger_failing", {"error": error, "waiting": self.waiting})
        self.failing = error

    def _tend(self) -> None:
        self._try(self._say_heads)

    def _say_heads(self) -> None:
        for signed in self._file.tend():
            self._say("ledger_removed" if "removed" in signed else "ledger_head", signed)

    def _try(self, step: Callable[[], None]) -> None:
        """What is done besides; it is tried again when it is due the next time."""
        try:
            step()
        except (sqlite3.Error, OSError, UnreadableError) as error:
            self._fail(str(error))


_T = TypeVar("_T")


def _taken(queue: deque[_T]) -> list[_T]:
    """What is in a queue into which others go on putting."""
    return [queue.popleft() for _ in range(len(queue))]


def _release(waiters: list[_Waiter]) -> None:
    """Tell those who wait, one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for loop, done in waiters:
        by_loop.setdefault(loop, []).append(done)
    for loop, futures in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, futures)


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for done in futures:
        if not done.done():
            done.set_result(None)
