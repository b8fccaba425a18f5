"""The one thread that writes a ledger: takes entries from a bounded queue and commits them in groups."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from meshplan.runtime.ledger.file import Keeping, LedgerFile
from meshplan.runtime.record import Say
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.segment import UnreadableError

WINDOW: Final = 0.02
"""Seconds that an entry waits for others at most; what a crash can lose of a ledger that is not strict."""
CAPACITY: Final = 8192
"""Entries that wait to be written before calls are held back."""
TEND: Final = 10.0
"""Seconds between two signed heads, and two looks at what is due besides."""
LAST: Final = 5.0
"""Seconds that a disk which fails gets when the runtime stops."""
_BACKOFF: Final = 0.25

_Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]
_Item = tuple[Entry | None, _Waiter | None]


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
        self._keeping, self._since = keeping or Keeping(), time.monotonic()
        self._file = LedgerFile(folder, now, self._keeping)
        self._queue: deque[_Item] = deque()
        self._held = 0
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
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
        """Whether entries wait that a call should wait for, or be refused."""
        return self.waiting >= self._capacity

    @property
    def behind(self) -> float:
        """Seconds since everything that was handed over was on the disk."""
        return time.monotonic() - self._since if self.waiting else 0.0

    def keep(self, retention: timedelta | None) -> None:
        """Let go of entries that are older than this; ``None``: keep them for ever."""
        self._keeping.retention = retention

    def put(self, entry: Entry) -> None:
        """Hand over one entry; those of calls that were let in are always taken."""
        self._queue.append((entry, None))
        if not self._wake.is_set():
            self._stir()

    async def written(self, entry: Entry | None = None) -> None:
        """Hand over an entry, and wait until it and everything before it are on the disk."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.append((entry, (loop, done)))
        self._hurry.set()
        self._stir()
        await done

    def _stir(self) -> None:
        if not self._held:
            self._since = time.monotonic()
        self._wake.set()

    def unrecorded(self, outcome: str) -> None:
        """A request ended like this while there was no room for its entry; a later entry says how many did."""
        self._unrecorded[outcome] += 1

    def close(self) -> None:
        """Write what waits, sign the head, and let go of the file."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        tend_at = 0.0
        while not self._stop.is_set():
            self._wake.wait(TEND)
            if not self._hurry.is_set():
                self._hurry.wait(self._window)
            self._wake.clear()
            self._hurry.clear()
            self._drain()
            if time.monotonic() >= tend_at or self._file.folds_due:
                self._tend()
                tend_at = time.monotonic() + TEND
        self._drain()
        self._file.sum_up()
        self._tend()
        self._file.close()

    def _drain(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._capacity))]
            self._held = len(batch)
            entries = [entry for entry, _ in batch if entry is not None]
            if self._unrecorded:
                missing, self._unrecorded = self._unrecorded, Counter()
                entries.append(Entry("gap", self._now(), detail=msgspec.json.encode(missing, order="sorted").decode()))
            if not self._append(entries):
                self._say("ledger_lost", {"entries": len(entries) + len(self._queue), "error": self.failing})
                return
            self._held = 0
            _release([waiter for _, waiter in batch if waiter is not None])

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
            if self._stop.is_set():
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
            self._say("ledger_failing", {"error": error, "waiting": len(self._queue)})
        self.failing = error

    def _tend(self) -> None:
        try:
            for signed in self._file.tend():
                self._say("ledger_removed" if "removed" in signed else "ledger_head", signed)
        except (sqlite3.Error, OSError, UnreadableError) as error:
            self._fail(str(error))


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
