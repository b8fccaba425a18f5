"""One request on its way: what its caller waits for, and what the layers below learn about it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import anyio

from meshplan.runtime.correspondents import Whose
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import OnAsk, UpstreamFailure

MARK: Final = "x-meshplan-exchange"
"""Set on a message that waits for an answer, and taken off before it leaves: other messages share its context."""

INBOX_SIZE = 256
"""Notifications that wait for a slow caller; more are dropped, since progress and logs are advice."""


GRACE_SECONDS = 10.0
"""How long a request whose caller gave up may stay on the wire: an older server has no other way to be told."""


class Exchange:
    """State of one request, filled from below and read by its caller; belongs to one event loop.

    ``deadline`` is in the event loop's seconds: the wire gives the request up then, whoever still waits for it.
    ``failure`` is what the HTTP layer knows better than the JSON-RPC error that the SDK makes of it, ``status`` the
    HTTP status. ``scope`` covers the request below; cancelling it cancels the request upstream. ``waiting`` is the
    scope in which the caller waits, ``reading`` the one in which the answer is read. ``whose`` is the client that hears
    of links that it was given, also later.
    """

    __slots__ = (
        "_asking", "_inlet", "_left", "deadline", "failure", "inbox", "log_level", "on_ask", "outcome", "reading",
        "scope", "status", "token", "waiting", "whose",
    )  # fmt: skip

    def __init__(
        self,
        *,
        deadline: float,
        token: str | None = None,
        log_level: str | None = None,
        on_ask: OnAsk | None = None,
        whose: Whose | None = None,
    ) -> None:
        self.deadline, self.token, self.log_level, self.on_ask = deadline + GRACE_SECONDS, token, log_level, on_ask
        self.whose = whose
        self.waiting = anyio.CancelScope(deadline=deadline)
        self.reading: anyio.CancelScope | None = None
        self._asking: list[anyio.CancelScope] = []
        self._left = 0.0
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
            self._stop_asking()

    def abandon(self) -> None:
        """Nobody waits any more: cancel the request upstream."""
        self.inbox.close()
        if self.outcome is None:
            if self._asking:
                self._move(anyio.current_time())
            self._stop_asking()
            self.scope.cancel()

    @contextmanager
    def asking(self) -> Generator[anyio.CancelScope]:
        """The caller is asked: time stands still, and the question ends with the request."""
        if not self._asking:
            self._left = self.waiting.deadline - anyio.current_time()
            self._move(float("inf"))
        scope = anyio.CancelScope()
        self._asking.append(scope)
        try:
            with scope:
                yield scope
        finally:
            self._asking.remove(scope)
            if not self._asking and self.outcome is None and not self.scope.cancel_called:
                self._move(anyio.current_time() + self._left)

    def _move(self, deadline: float) -> None:
        self.waiting.deadline, self.deadline = deadline, deadline + GRACE_SECONDS
        if self.reading is not None:
            self.reading.deadline = self.deadline

    def _stop_asking(self) -> None:
        for scope in self._asking:
            scope.cancel()


CURRENT: ContextVar[Exchange | None] = ContextVar("meshplan_upstream_exchange", default=None)
"""The exchange that the running task works for; the SDK's HTTP transport carries it to its own tasks and back."""
