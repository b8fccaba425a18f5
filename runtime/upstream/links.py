"""Links that one server gave to clients for their users, so that who was given one hears when the user is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from meshplan.runtime.correspondents import Whose
from meshplan.runtime.errors import URL_ELICITATION_REQUIRED
from meshplan.runtime.shapes import items, members, text
from meshplan.runtime.upstream.exchange import Exchange
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamRefusal

COMPLETED: Final = "notifications/elicitation/complete"
MAX_LINKS: Final = 256
"""Open links of one server's connection; one more, and the oldest is forgotten."""
MAX_CLIENTS: Final = 16
"""Clients that one and the same link was given to."""
MAX_AGE: Final = 3600.0
"""Seconds that a user has."""

OnCompleted = Callable[[Whose, str], None]
"""Gets a client, and the id of the elicitation that is complete; must not block."""


@dataclass(slots=True)
class _Link:
    until: float
    given: dict[Whose, Exchange] = field(default_factory=dict[Whose, Exchange])


class Links:
    """By the server's own id of each elicitation (MCP 2025-11-25, URL mode), which means something to that server only.

    An id that clients of several principals were given says of nobody what its user did, and nobody is told.
    """

    def __init__(self, on_completed: OnCompleted | None, now: Callable[[], float] = time.monotonic) -> None:
        self._on_completed, self._now = on_completed, now
        self._links: dict[str, _Link] = {}

    def __len__(self) -> int:
        self._forget()
        return len(self._links)

    def asked(self, exchange: Exchange, method: str, params: Mapping[str, Any]) -> None:
        """The server asks the client of this request something."""
        if method == "elicitation/create":
            self._give(exchange, params)

    def refused(self, exchange: Exchange, failure: UpstreamFailure) -> None:
        """The server refuses this request, perhaps until links have been opened (URL elicitation required)."""
        if isinstance(failure, UpstreamRefusal) and failure.code == URL_ELICITATION_REQUIRED:
            for elicitation in items((members(failure.data) or {}).get("elicitations")):
                self._give(exchange, members(elicitation) or {})

    def _give(self, exchange: Exchange, elicitation: Mapping[str, Any]) -> None:
        number = text(elicitation.get("elicitationId"))
        if exchange.whose is None or number is None or elicitation.get("mode") != "url":
            return
        self._forget()
        link = self._links.pop(number, None) or _Link(0)
        link.until = self._now() + MAX_AGE
        if len(link.given) < MAX_CLIENTS:
            link.given[exchange.whose] = exchange
        self._links[number] = link
        if len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]

    def _forget(self) -> None:
        now = self._now()
        for number in [number for number, link in self._links.items() if link.until < now]:
            del self._links[number]

    def completed(self, params: Mapping[str, Any]) -> None:
        """The server says that the user is done: on the stream of the request while it runs, else beside it."""
        self._forget()
        number = text(params.get("elicitationId"))
        link = self._links.pop(number or "", None)
        if number is None or link is None or len({whose[:2] for whose in link.given}) > 1:
            return
        for whose, exchange in link.given.items():
            if exchange.outcome is None:
                exchange.notice(COMPLETED, dict(params))
            elif self._on_completed is not None:
                self._on_completed(whose, number)
