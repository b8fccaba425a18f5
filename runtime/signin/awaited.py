"""Clients that were given a link to sign in with, and hear when their user has: whichever process saw the browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio

from meshplan.runtime.correspondents import Whose
from meshplan.runtime.signin.tickets import SECONDS
from meshplan.runtime.signin.vault import Holder, Vault

LOOK_SECONDS: Final = 0.5
MAX_AWAITED: Final = 1000
"""One more, and the oldest is forgotten: whoever calls again gets in, told or not."""


@dataclass(frozen=True, slots=True)
class _Link:
    vault: Vault
    holder: Holder
    before: tuple[int, int] | None
    whose: Whose
    until: float


class Awaited:
    """By the id that the mesh gave each elicitation; ``run`` looks after them while there are any."""

    def __init__(self, tell: Callable[[Whose, str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._now = tell, now
        self._links: dict[str, _Link] = {}
        self._wake = anyio.Event()

    def expect(self, vault: Vault, holder: Holder, whose: Whose, elicitation: str) -> None:
        """Tell this client once the holder has other tokens than now, within the life of a link."""
        until = self._now() + SECONDS
        self._links[elicitation] = _Link(vault, holder, vault.version(holder), whose, until)
        if len(self._links) > MAX_AWAITED:
            del self._links[next(iter(self._links))]
        self._wake.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await self._wake.wait()
            self._look()
            if self._links:
                await anyio.sleep(LOOK_SECONDS)
            else:
                self._wake = anyio.Event()

    def _look(self) -> None:
        now = self._now()
        for elicitation, link in tuple(self._links.items()):
            found = link.vault.version(link.holder)
            if found is not None and found != link.before:
                self._tell(link.whose, elicitation)
            elif link.until >= now:
                continue
            del self._links[elicitation]
