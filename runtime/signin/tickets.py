"""What travels through a browser and comes back: links, states, proofs; sealed, short-lived, and bound to that browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from meshplan.runtime.record import new_id
from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.used import Once
from meshplan.schemas.plan import Value

SECONDS: Final = 600.0
"""For which anything here is good unless it says otherwise: enough to find one's password, and to log in twice."""

Kind = Literal["link", "who", "proof", "login", "consent", "operator login", "operator"]
"""A ticket of one kind is never one of another: each has a sealing key of its own."""


class TicketError(Exception):
    """A ticket that is not taken: ``why`` is ``broken``, ``expired`` or ``used``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Tickets:
    """Makes tickets and takes them back, under the newest plan's seal keys."""

    sealer: Sealer = field(repr=False)
    keys: Sequence[Value]
    used: Once
    now: Callable[[], float] = time.time

    async def make(self, kind: Kind, payload: dict[str, Any], browser: str = "", seconds: float = SECONDS) -> str:
        """The text of a ticket that is good for so long; raises ``SecretError``."""
        whole = {**payload, "e": int(self.now() + seconds), "n": new_id()}
        return await self.sealer.seal(self.keys, f"sign-in {kind}", whole, browser)

    async def read(self, kind: Kind, text: str, browser: str = "") -> dict[str, Any]:
        """What a ticket says; raises ``TicketError``, and ``SecretError`` where a key has no value."""
        try:
            found = await self.sealer.open(self.keys, f"sign-in {kind}", text, browser)
        except BrokenSealError:
            raise TicketError("broken") from None
        if found["e"] < self.now():
            raise TicketError("expired")
        return found

    async def take(self, kind: Kind, text: str, browser: str) -> dict[str, Any]:
        """As ``read``, once."""
        found = await self.read(kind, text, browser)
        if not await self.used.take(found["n"], found["e"]):
            raise TicketError("used")
        return found
