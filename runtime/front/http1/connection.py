"""One client's HTTP/1.1 connection: its requests in order, and how long and how much each of its moves may take."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache
from typing import Protocol, cast
from urllib.parse import unquote

import httptools

from meshplan.runtime.front.asgi import DIRECT, KEPT, Scope
from meshplan.runtime.front.http1.request import STATUS_LINES, Request
from meshplan.runtime.front.http1.worker import Worker

MAX_HEADERS = 128
MAX_BUFFERED = 256 * 1024
"""Body bytes that wait for the application before the client has to wait."""
MAX_PIPELINED = 8
HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request."""
IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request: longer than clients that reuse connections keep them."""
WRITE_SECONDS = 30.0
"""How long a client may leave unread what was sent to it before the next piece can go."""


_SHORT = 128


def _parsed(url: bytes) -> tuple[bytes, str, bytes]:
    """Authority (of a target in absolute form), path and query of a request's target."""
    found = httptools.parse_url(url)
    authority = b"%b:%d" % (found.host, found.port) if found.host and found.port else found.host or b""
    path = (found.path or b"/").decode("latin-1")
    return authority, unquote(path) if "%" in path else path, found.query or b""


_target = lru_cache(256)(_parsed)


@lru_cache(64)
def _method(name: bytes) -> str:
    return name.decode("ascii")


class House(Protocol):
    """The server, as its connections see it; ``date`` is the Date line, ``head_bytes`` the most that a head may have."""

    loop: asyncio.AbstractEventLoop
    draining: bool
    date: bytes
    head_bytes: int

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more connection."""
        ...

    def leave(self, connection: Connection) -> None:
        """A connection is over."""
        ...

    def worker(self) -> Worker:
        """Who answers the requests of one connection."""
        ...


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: House) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Request] = deque()
        self._incoming: Request | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._trailers = self._waiting = self._fed = 0
        self._paused = self._broken = self._in_head = self._held = False
        self._worker: Worker | None = None
        self.full: asyncio.Event | None = None
        self._full_since = self.since = 0.0
        self._kept: dict[str, object] = {}
        self._scope: Scope = {}

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            transport.close()
            return
        ends = {"client": transport.get_extra_info("peername"), "server": transport.get_extra_info("sockname")}
        self._scope = {"type": "http", "asgi": {"version": "3.0"}, "scheme": "http", **ends}
        self.since = self._server.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        del exc
        self._server.leave(self)
        for request in self._queue:
            request.leave()
        if self._worker is not None:
            self._worker.close()
        if self.full is not None:
            self.full.set()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._broken:
            return
        if not self._in_head:
            self.since = self._server.loop.time()
        self._fed = len(data)
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
            self._start(self._queue[0])

    # httptools

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        self._url, self._headers, self._trailers, self._waiting, self._in_head = b"", [], 0, 0, True

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line; trailers count, and are dropped."""
        if self._in_head:
            self._headers.append((name.lower(), value))
            return
        self._trailers = (self._trailers or self._head_size()) + len(name) + len(value)
        if self._trailers > self._server.head_bytes:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        """The head is there: the application may begin."""
        self._in_head = False
        headers, version = self._headers, self._parser.get_http_version()
        if len(headers) > MAX_HEADERS or self._head_too_large():
            self._refuse(431)
        if self._broken:
            return
        request = self._incoming = Request(self)
        request.keep_alive = self._parser.should_keep_alive() and not self._server.draining
        request.expects = version != "1.0" and (b"expect", b"100-continue") in headers
        authority, path, query = _target(self._url) if len(self._url) <= _SHORT else _parsed(self._url)
        if authority:
            # RFC 9112 3.2.2: with a target in absolute form, the Host header is ignored.
            headers[:] = [(b"host", authority), *(line for line in headers if line[0] != b"host")]
        request.scope = {
            **self._scope,
            "http_version": version,
            "method": _method(self._parser.get_method()),
            "path": path,
            "query_string": query,
            "headers": headers,
            "extensions": {DIRECT: request, KEPT: self._kept},
        }
        self._queue.append(request)
        if len(self._queue) == 1 and self.full is None:
            self._start(request)
        elif len(self._queue) == 1:
            self._held = True
        elif len(self._queue) > MAX_PIPELINED:
            self._refuse(400)

    def _head_too_large(self) -> bool:
        """Whether it is, said exactly; a head is never larger than the bytes in which it came."""
        limit = self._server.head_bytes
        return self._waiting + self._fed > limit and self._head_size() > limit

    def _head_size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) for name, value in self._headers)

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

    def _start(self, request: Request) -> None:
        if self._worker is None:
            self._worker = self._server.worker()
        self._worker.give(request)

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

    def finished(self, request: Request) -> None:
        """An answer is complete: on to the next request, or close."""
        if not self._queue or self._queue[0] is not request:
            return
        self._queue.popleft()
        self.since = self._server.loop.time()
        if not request.keep_alive or not request.complete or self.draining or self._broken:
            self.close()
        elif self._queue and self.full is None:
            self._start(self._queue[0])
        else:
            self._held = bool(self._queue)  # Until the client has read more of the answers before it.

    def give_up(self, request: Request) -> None:
        """The application left a request without a whole answer."""
        if not request.started:
            self.write(STATUS_LINES[500] + b"content-length: 0\r\nconnection: close\r\n\r\n")
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
            self.write(STATUS_LINES[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
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
