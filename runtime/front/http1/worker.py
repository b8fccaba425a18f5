"""The one task of a connection, in which its requests are answered one after the other.

A task for each request would cost a call a twentieth of its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from meshplan.runtime.front.asgi import Receive, Scope, Send
from meshplan.runtime.front.http1.request import Request

App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

_log = logging.getLogger(__name__)


class Worker:
    """Gives requests to an application; ``over`` hears of each that has ended, ``gone`` of the worker's own end."""

    def __init__(self, app: App, over: Callable[[], None], gone: Callable[[Worker], None]) -> None:
        self._app, self._over, self._gone = app, over, gone
        self._loop = asyncio.get_running_loop()
        self._next: Request | None = None
        self._running: Request | None = None
        self._turn: asyncio.Future[None] | None = None
        self._closing = False
        self.task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or waits for that."""
        return self._running is not None or self._next is not None

    def give(self, request: Request) -> None:
        """One more request; the one before may not have been left by the application yet, but is answered."""
        self._next = request
        if self.task is None:
            self.task = self._loop.create_task(self._run(), name="connection")
            self.task.add_done_callback(self._ended)
        elif self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def close(self) -> None:
        """The connection is gone: end, once the application has left the request that it has."""
        self._closing = True
        if self.task is None:
            self._gone(self)
        elif not self.busy:
            self.task.cancel()

    def cancel(self) -> None:
        """End at once."""
        if self.task is not None:
            self.task.cancel()

    async def _run(self) -> None:
        while not self._closing:
            request, self._next = self._next, None
            if request is None:
                self._turn = self._loop.create_future()
                await self._turn
                continue
            self._running, request.task = request, self.task
            await self._app(request.scope, request.receive, request.send)
            self._left(request)

    def _left(self, request: Request) -> None:
        """The application is done with a request, well or not."""
        self._running = request.task = None
        request.scope = {}  # which holds the request: without this, only the garbage collector would free both
        if not request.finished:
            request.connection.give_up(request)
        self._over()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if self._running is not None:
            self._left(self._running)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a request broke", exc_info=error)
        if self._closing:
            self._gone(self)
        elif self._next is not None:
            self.give(self._next)
