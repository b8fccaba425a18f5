"""The HTTP/1.1 server: accepts connections, gives their requests to an ASGI 3.0 application, and drains when it is told to stop.

Only what that application uses is there: no trailers, no upgrades, no lifespan; answers to pipelined requests leave in order.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from email.utils import formatdate

from meshplan.runtime.front.http1.connection import Connection
from meshplan.runtime.front.http1.worker import App, Worker

MAX_HEAD_BYTES = 32 * 1024
"""Where no plan says otherwise."""
MAX_CONNECTIONS = 10_000
SWEEP_SECONDS = 1.0


class HttpServer:
    """Serves an application on a listening socket until it is told to stop."""

    def __init__(self, app: App, head_bytes: Callable[[], int] = lambda: MAX_HEAD_BYTES) -> None:
        self._app, self._head_limit, self.head_bytes = app, head_bytes, head_bytes()
        self._connections: set[Connection] = set()
        self._workers: set[Worker] = set()
        self.loop = asyncio.get_running_loop()
        self.draining = False
        self.date = _date()
        self._stop, self._quiet = asyncio.Event(), asyncio.Event()
        self._forced = False

    async def serve(self, listener: socket.socket, ready: Callable[[], None], drain: float) -> None:
        """Accept until ``stop``; then give running requests ``drain`` seconds."""
        server = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=2048)
        sweeper = self.loop.create_task(self._sweep())
        try:
            ready()
            await self._stop.wait()
            server.close()
            await self._drain(drain)
        finally:
            sweeper.cancel()
            server.close()
            for connection in tuple(self._connections):
                connection.abort()
            for worker in self._workers:
                worker.cancel()

    async def _drain(self, seconds: float) -> None:
        for connection in tuple(self._connections):
            if not connection.busy:
                connection.close()
        deadline = self.loop.time() + seconds
        while any(worker.busy for worker in self._workers) and not self._forced and self.loop.time() < deadline:
            self._quiet.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._quiet.wait()
            except TimeoutError:
                return

    def stop(self) -> None:
        """Take no more requests; a second time, wait for none."""
        self._forced = self.draining
        self.draining = True
        self._stop.set()
        self._quiet.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now, self.date, self.head_bytes = self.loop.time(), _date(), self._head_limit()
            for connection in [found for found in self._connections if found.overdue(now)]:
                connection.abort()

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= MAX_CONNECTIONS or self.draining:
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is over."""
        self._connections.discard(connection)

    def worker(self) -> Worker:
        """Who answers the requests of one connection."""
        made = Worker(self._app, self._quiet.set, self._workers.discard)
        self._workers.add(made)
        return made


def _date() -> bytes:
    return f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")
