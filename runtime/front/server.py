"""HTTP/1.1 for the data path: httptools on asyncio's own protocols, with the bounds that a server on a network needs.

Hands each request to an ASGI 3.0 application. Only what that application uses is there: no trailers, no upgrades, no
lifespan; answers to pipelined requests leave in order.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools

from meshplan.runtime.front.asgi import DIRECT, Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

MAX_HEAD_BYTES = 32 * 1024
"""Where no plan says otherwise."""
MAX_HEADERS = 128
MAX_BUFFERED = 256 * 1024
"""Body bytes that wait for the application before the client has to wait."""
MAX_PIPELINED = 8
MAX_CONNECTIONS = 10_000
HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request."""
IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request: longer than clients that reuse connections keep them."""
WRITE_SECONDS = 30.0
"""How long a client may leave unread what was sent to it before the next piece can go."""
SWEEP_SECONDS = 1.0

_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = logging.getLogger(__name__)


class _Request:
    """One request on its way through the application: both halves of ASGI."""

    __slots__ = (
        "_chunked",
        "_head",
        "_told",
        "_waiter",
        "body",
        "cancels",
        "complete",
        "connection",
        "expects",
        "finished",
        "gone",
        "keep_alive",
        "scope",
        "started",
        "task",
    )

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.scope: Scope = {}
        self.body = bytearray()
        self.complete = self.gone = self.started = self.finished = self.expects = self.cancels = False
        self.task: asyncio.Task[None] | None = None
        self.keep_alive = True
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._chunked = self._told = False

    def wake(self) -> None:
        """Something arrived, or nothing more will."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """The client has gone, or broke off its request."""
        self.gone = True
        self.wake()
        if self.cancels and self.task is not None:
            self.task.cancel()

    def cancel_when_gone(self) -> None:
        """See ``asgi.Direct``."""
        self.cancels = True
        if self.gone and self.task is not None:
            self.task.cancel()

    def whole(self, limit: int) -> bytes | None:
        """See ``asgi.Direct``."""
        if not self.complete or self._told or self.gone or len(self.body) > limit:
            return None
        body, self.body, self._told = bytes(self.body), bytearray(), True
        self.connection.resume()
        return body

    def reply(self, status: int, kind: bytes, body: bytes) -> None:
        """See ``asgi.Direct``."""
        if self.gone or self.finished or self.started:
            return
        connection = self.connection
        close = connection.draining or not self.keep_alive
        self.keep_alive, self.started, self.finished = not close, True, True
        head = b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n%b\r\n"
        last = b"connection: close\r\n" if close else b""
        connection.write(head % (_STATUS[status], connection.date, kind, len(body), last) + body)
        connection.finished(self)

    async def receive(self) -> dict[str, Any]:
        """The body so far, then the disconnect."""
        if self.expects and not self.started:
            self.expects = False
            self.connection.write(_CONTINUE)
        while not (self._told or self.gone or self.finished):
            if self.body or self.complete:
                body, self.body = bytes(self.body), bytearray()
                self.connection.resume()
                self._told = self.complete
                return {"type": "http.request", "body": body, "more_body": not self.complete}
            await self._wait()
        while not (self.gone or self.finished):
            await self._wait()
        return {"type": "http.disconnect"}

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    async def send(self, message: Any) -> None:
        """The head, kept until the first of the body; then the body."""
        connection = self.connection
        if self.gone or self.finished:
            return
        if message["type"] == "http.response.start":
            self._head, self._chunked = _head_of(
                message, connection.date, close=connection.draining or not self.keep_alive
            )
            if b"connection: close" in self._head:
                self.keep_alive = False
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._head:
            self.started = True
            if self._chunked and not more:
                self._chunked = False
                self._head = self._head[:-2] + b"content-length: %d\r\n\r\n" % len(body)
            elif self._chunked:
                self._head = self._head[:-2] + b"transfer-encoding: chunked\r\n\r\n"
            body = self._head + (self._framed(body, more=more))
            self._head = b""
        else:
            body = self._framed(body, more=more)
        connection.write(body)
        if not more:
            self.finished = True
            self.wake()
            connection.finished(self)
        elif connection.full is not None:
            await connection.full.wait()

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"


def _head_of(message: Any, date: bytes, *, close: bool) -> tuple[bytes, bool]:
    """The head's bytes, and whether the body's length is not known from it."""
    parts, length = [_STATUS[message["status"]], date], message["status"] == 204
    for name, value in message["headers"]:
        parts.append(b"%b: %b\r\n" % (name, value))
        length = length or name == b"content-length"
    if close:
        parts.append(b"connection: close\r\n")
    parts.append(b"\r\n")
    return b"".join(parts), not length


def _date() -> bytes:
    return f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[_Request] = deque()
        self._incoming: _Request | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._size = self._waiting = 0
        self._paused = self._broken = self._in_head = self._held = False
        self.full: asyncio.Event | None = None
        self._full_since = self.since = 0.0
        self._client: tuple[str, int] | None = None
        self._local: tuple[str, int] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            transport.close()
            return
        self._client, self._local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.since = self._server.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        del exc
        self._server.leave(self)
        for request in self._queue:
            request.leave()
        if self.full is not None:
            self.full.set()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._broken:
            return
        if not self._in_head:
            self.since = self._server.loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400)
        except httptools.HttpParserError:
            self._refuse(400)
        if self._in_head:
            self._waiting += len(data)
            if self._waiting > 2 * self._server.head_bytes:
                self._refuse(431)

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self.full, self._full_since = asyncio.Event(), self._server.loop.time()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        full, self.full = self.full, None
        if full is not None:
            full.set()
        if self._held:
            self._held = False
            self._server.start(self._queue[0])

    # httptools

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        self._url, self._headers, self._size, self._waiting, self._in_head = b"", [], 0, 0, True

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url
        self._size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; trailers count, and are dropped."""
        self._size += len(name) + len(value)
        if self._in_head:
            self._headers.append((name.lower(), value))
        elif self._size > self._server.head_bytes:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """The head is there: the application may begin."""
        self._in_head = False
        if self._size > self._server.head_bytes or len(self._headers) > MAX_HEADERS:
            self._refuse(431)
        if self._broken:
            return
        request = self._incoming = _Request(self)
        headers, version = self._headers, self._parser.get_http_version()
        request.keep_alive = self._parser.should_keep_alive() and not self._server.draining
        request.expects = version != "1.0" and (b"expect", b"100-continue") in headers
        url = httptools.parse_url(self._url)
        if url.host:
            # RFC 9112 3.2.2: with a target in absolute form, the Host header is ignored.
            authority = b"%b:%d" % (url.host, url.port) if url.port else url.host
            headers[:] = [(b"host", authority), *(line for line in headers if line[0] != b"host")]
        path = (url.path or b"/").decode("latin-1")
        request.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "query_string": url.query or b"",
            "headers": headers,
            "client": self._client,
            "server": self._local,
            "extensions": {DIRECT: request},
        }
        self._queue.append(request)
        if len(self._queue) == 1 and self.full is None:
            self._server.start(request)
        elif len(self._queue) == 1:
            self._held = True
        elif len(self._queue) > MAX_PIPELINED:
            self._refuse(400)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        request = self._incoming
        if request is None or request.finished:
            return
        request.body += body
        if len(request.body) > MAX_BUFFERED and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        request.wake()

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, self._incoming = self._incoming, None
        if request is not None:
            request.complete = True
            request.wake()

    # the requests and the server

    @property
    def draining(self) -> bool:
        """Whether no further request is taken."""
        return self._server.draining

    @property
    def date(self) -> bytes:
        """The Date line (RFC 9110 6.6.1)."""
        return self._server.date

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self._queue)

    def write(self, data: bytes) -> None:
        """Send bytes, if the client is still there."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def resume(self) -> None:
        """The application took what was there."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def finished(self, request: _Request) -> None:
        """An answer is complete: on to the next request, or close."""
        if not self._queue or self._queue[0] is not request:
            return
        self._queue.popleft()
        self.since = self._server.loop.time()
        if not request.keep_alive or not request.complete or self.draining or self._broken:
            self.close()
        elif self._queue and self.full is None:
            self._server.start(self._queue[0])
        else:
            self._held = bool(self._queue)  # Until the client has read more of the answers before it.

    def give_up(self, request: _Request) -> None:
        """The application left a request without a whole answer."""
        if not request.started:
            self.write(_STATUS[500] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.close()
        else:
            self.abort()

    def _refuse(self, status: int) -> None:
        """Answer what is no request, and close; whole requests before it are still answered, a broken one is not."""
        if self._broken:
            return
        self._broken, incoming = True, self._incoming
        first = not self._queue or self._queue[0] is incoming
        if incoming is not None:
            incoming.leave()
        if first and incoming is not None and incoming.started:
            self.abort()
        elif first:
            self.write(_STATUS[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.close()

    def overdue(self, now: float) -> bool:
        """Whether the client took too long: for the next request, for the head of one, or for reading an answer."""
        if self.full is not None and now - self._full_since > WRITE_SECONDS:
            return True
        return not self._queue and now - self.since > (HEAD_SECONDS if self._in_head else IDLE_SECONDS)

    def close(self) -> None:
        """Close once everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


class HttpServer:
    """Serves an application on a listening socket until it is told to stop."""

    def __init__(self, app: App, head_bytes: Callable[[], int] = lambda: MAX_HEAD_BYTES) -> None:
        self._app, self._head_limit, self.head_bytes = app, head_bytes, head_bytes()
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = asyncio.get_running_loop()
        self.draining = False
        self.date = _date()
        self._stop, self._quiet = asyncio.Event(), asyncio.Event()
        self._forced = False

    async def serve(self, listener: socket.socket, ready: Callable[[], None], drain: float) -> None:
        """Accept until ``stop``; then give running requests ``drain`` seconds."""
        server = await self.loop.create_server(lambda: _Connection(self), sock=listener, backlog=2048)
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
            for task in tuple(self._tasks):
                task.cancel()

    async def _drain(self, seconds: float) -> None:
        for connection in tuple(self._connections):
            if not connection.busy:
                connection.close()
        deadline = self.loop.time() + seconds
        while self._tasks and not self._forced and self.loop.time() < deadline:
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

    def admit(self, connection: _Connection) -> bool:
        """Whether there is room for one more connection."""
        if len(self._connections) >= MAX_CONNECTIONS or self.draining:
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: _Connection) -> None:
        """A connection is over."""
        self._connections.discard(connection)

    def start(self, request: _Request) -> None:
        """Give a request to the application."""
        task = request.task = self.loop.create_task(self._app(request.scope, request.receive, request.send))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, request))

    def _ended(self, request: _Request, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not request.finished:
            request.connection.give_up(request)
        if not self._tasks:
            self._quiet.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a request broke", exc_info=error)
