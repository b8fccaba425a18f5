"""One request on its way: what its caller waits for, and what the layers below learn about it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import anyio

from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import UpstreamFailure

INBOX_SIZE = 256
"""Notifications that wait for a slow caller; more are dropped, since progress and logs are advice."""


class Exchange:
    """State of one request, filled from below and read by its caller; belongs to one event loop.

    ``deadline`` is in the event loop's seconds: the wire gives the request up then, whoever still waits for it.
    ``failure`` is what the HTTP layer knows better than the JSON-RPC error that the SDK makes of it, ``status`` the
    HTTP status. ``scope`` covers the request below; cancelling it cancels the request upstream.
    """

    __slots__ = ("_inlet", "deadline", "failure", "inbox", "log_level", "outcome", "scope", "status", "token")

    def __init__(self, *, deadline: float, token: str | None = None, log_level: str | None = None) -> None:
        self.deadline, self.token, self.log_level = deadline, token, log_level
        self.outcome: dict[str, Any] | UpstreamFailure | None = None
        self.failure: Unavailable | None = None
        self.status: int | None = None
        self.scope = anyio.CancelScope()
        self._inlet, self.inbox = anyio.create_memory_object_stream[tuple[str, dict[str, Any]]](INBOX_SIZE)

    def notice(self, method: str, params: dict[str, Any]) -> None:
        """Hand a notification to the caller, if the caller is there and has room."""
        try:
            self._inlet.send_nowait((method, params))
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    def finish(self, outcome: dict[str, Any] | UpstreamFailure) -> None:
        """Settle the request; only the first outcome counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._inlet.close()

    def abandon(self) -> None:
        """Nobody waits any more: cancel the request upstream."""
        self.inbox.close()
        if self.outcome is None:
            self.scope.cancel()


CURRENT: ContextVar[Exchange | None] = ContextVar("meshplan_upstream_exchange", default=None)
"""The exchange that the running task works for; the SDK's HTTP transport carries it to its own tasks and back."""
