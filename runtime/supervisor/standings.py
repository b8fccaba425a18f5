"""Memory that all workers share, in which stands what their breakers know of each server: see ``breaker.Standing``."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from meshplan.runtime.supervisor.carried import transport_digest
from meshplan.runtime.upstream.breaker import OwnStanding, Standing
from meshplan.schemas.plan import Transport

RECORDS: Final = 2048
"""Addresses of servers that are known of, in all plans of this run; what is beyond that each process knows for itself."""
_TAG, _FAILURES, _PROBER, _UNTIL = range(4)


class Standings:
    """Made once, before the workers; ``lock`` is a file of its own. Whoever changes something has a lock, which the kernel takes back if it dies."""

    def __init__(self, lock: Path, records: int = RECORDS) -> None:
        memory = memoryview(mmap.mmap(-1, records * 32))
        self.words, self.seconds = memory.cast("Q"), memory.cast("d")
        self._key, self._lock = os.urandom(32), os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def change(self) -> Generator[None]:
        """Nobody else changes anything meanwhile."""
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def of(self, column: int, server: str, transport: Transport) -> Standing:
        """What is known of a server; ``column`` is whose word it is. Of one that each worker starts for itself, each knows its own."""
        if transport.kind == "stdio":
            return OwnStanding()
        name = repr((server, transport_digest(transport))).encode()
        tag = int.from_bytes(blake2b(name, key=self._key, digest_size=8).digest(), "big") or 1
        count = len(self.words) // 4
        with self.change():
            bases = ((tag + step) % count * 4 for step in range(count))
            base = next((base for base in bases if self.words[base] in (0, tag)), None)
            if base is None:
                return OwnStanding()
            self.words[base] = tag
        return CommonStanding(self, base, column + 1)

    def clear(self, column: int) -> None:
        """A worker has ended: whatever it was probing, it is no longer."""
        for place in range(_PROBER, len(self.words), 4):
            if self.words[place] == column + 1:
                self.words[place] = 0


class CommonStanding:
    """See ``breaker.Standing``: of all processes."""

    __slots__ = ("_all", "_base", "_prober")

    def __init__(self, everything: Standings, base: int, prober: int) -> None:
        self._all, self._base, self._prober = everything, base, prober

    def change(self) -> AbstractContextManager[None]:
        """See ``Standing``."""
        return self._all.change()

    @property
    def failures(self) -> int:
        """See ``Standing``."""
        return self._all.words[self._base + _FAILURES]

    @failures.setter
    def failures(self, count: int) -> None:
        self._all.words[self._base + _FAILURES] = count

    @property
    def until(self) -> float | None:
        """See ``Standing``."""
        return self._all.seconds[self._base + _UNTIL] or None

    @until.setter
    def until(self, seconds: float | None) -> None:
        self._all.seconds[self._base + _UNTIL] = seconds or 0.0

    @property
    def probing(self) -> bool:
        """See ``Standing``."""
        return self._all.words[self._base + _PROBER] != 0

    @probing.setter
    def probing(self, probing: bool) -> None:
        self._all.words[self._base + _PROBER] = self._prober if probing else 0
