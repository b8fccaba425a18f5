"""Clients with sessions, by what names them to servers: told beside their requests what concerns them alone."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakValueDictionary

Whose = tuple[str, str, str, str]
"""One client: issuer and sub of its principal, its endpoint, and its session's number."""


class Correspondent(Protocol):
    """A client that can be told something at any time."""

    def completed(self, elicitation: str) -> None:
        """The user is done with a link that this client was given; must not block."""
        ...


class Correspondents:
    """Holds nobody: a session that is gone is told nothing."""

    def __init__(self) -> None:
        self._clients: WeakValueDictionary[Whose, Correspondent] = WeakValueDictionary()

    def add(self, whose: Whose, client: Correspondent) -> None:
        """From now on, what is for this one goes to this client."""
        self._clients[whose] = client

    def completed(self, whose: Whose, elicitation: str) -> None:
        """Tell one client that an elicitation is complete (2025-11-25, Completion Notifications), if it is here."""
        client = self._clients.get(whose)
        if client is not None:
            client.completed(elicitation)
