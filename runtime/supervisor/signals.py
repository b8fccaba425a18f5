"""The signals that a process without an event loop waits for, each of which wakes it."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

OURS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(slots=True)
class Signals:
    """Those that arrived; ``reader`` is readable when there may be more."""

    reader: int
    writer: int
    arrived: deque[int] = field(default_factory=deque[int])

    def take(self, number: int, _frame: object) -> None:
        """One has arrived; see ``signal.signal``."""
        self.arrived.append(number)

    def drained(self) -> bytes:
        """What woke the process, read away."""
        try:
            return os.read(self.reader, 4096)
        except BlockingIOError:
            return b""


@contextmanager
def caught() -> Generator[Signals]:
    """Take these signals while the context is open, then do as before."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signals = Signals(reader, writer)
    before = {number: signal.signal(number, signals.take) for number in OURS}
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
