"""Which sealed texts were used: each is good once, in whichever process it comes back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from anyio.lowlevel import checkpoint

MAX_USED: Final = 100_000
"""Nonces that are remembered; at the bound, whatever is as old as the oldest is refused."""


class Once(Protocol):
    """Remembers nonces until they expire."""

    async def take(self, nonce: str, expires: float) -> bool:
        """Whether a nonce, good until ``expires`` (seconds since the epoch), is used for the first time."""
        ...


class Used:
    """See ``Once``; in memory."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._used: OrderedDict[str, float] = OrderedDict()
        self._forgotten = 0.0

    async def take(self, nonce: str, expires: float) -> bool:
        """See ``Once``."""
        await checkpoint()
        if nonce in self._used or expires <= self._forgotten:
            return False
        while self._used and (len(self._used) >= MAX_USED or next(iter(self._used.values())) < self._now()):
            self._forgotten = self._used.popitem(last=False)[1]
        self._used[nonce] = expires
        return True
