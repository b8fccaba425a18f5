"""HTTP/1.1 to one origin as the data path needs it: kept-alive connections, one POST at a time on each, nothing unbounded.

A response that is an event stream is handed over event by event; any other is handed over whole. No redirect is
followed, nothing is sent twice, and a connection is let go before the common servers do it.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.events import EventReader, EventTooLargeError
from meshplan.runtime.upstream.failures import ProtocolMismatch, SessionLost, Unavailable

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 4.0
"""uvicorn and Node close idle connections after 5 s: a POST that races with that cannot be repeated safely."""
FRESH_SECONDS = 0.2
"""An idle connection that is older is asked for a pending end before it is used."""
MAX_IDLE = 256
MAX_BYTES = 16 * 1024 * 1024
"""Of one JSON body."""
MAX_EVENT_BYTES = 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 1.0
"""An event stream whose answer has come gets so long to end by itself, which keeps the connection."""
NEVER = float("inf")
MAX_EVENTS = 64
"""Events that may wait for a slow reader before the server has to wait, too."""
EVENTS = b"text/event-stream"

_BROKEN = "the connection broke before the answer"


class Reply:
    """One response as it arrives; ``wait`` returns whenever there is something new."""

    __slots__ = ("_paused", "_timer", "_waiter", "body", "done", "events", "failure", "kind", "late", "status")

    def __init__(self) -> None:
        self.status = 0
        self.kind = b""
        self.body = b""
        self.events: deque[bytes] = deque()
        self.done = False
        self.late = False
        self.failure: Unavailable | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused: asyncio.Transport | None = None

    @property
    def streams(self) -> bool:
        """Whether it is an event stream."""
        return self.kind == EVENTS and self.status < 300

    async def wait(self) -> None:
        """Until there is an event, the end, or a failure; one waiter at a time."""
        if self.events or self.done:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def next_event(self) -> bytes:
        """The oldest event; lets the server go on once a slow reader has caught up."""
        found = self.events.popleft()
        if self._paused is not None and not self.events:
            paused, self._paused = self._paused, None
            paused.resume_reading()
        return found

    def add_events(self, found: list[bytes], transport: asyncio.Transport) -> None:
        """Keep events for the reader; too many of them hold the server up."""
        self.events.extend(found)
        if len(self.events) > MAX_EVENTS and self._paused is None:
            transport.pause_reading()
            self._paused = transport
        self.wake()

    def wake(self) -> None:
        """Something is new."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, failure: Unavailable | None = None) -> None:
        """The answer is whole, or there will be no (more) answer."""
        if not self.done:
            self.failure, self.done = failure, True
            if self._timer is not None:
                self._timer.cancel()
            self.wake()

    def expire(self, deadline: float, connection: Connection) -> None:
        """Give it up at this time of the event loop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._expired, connection)

    def _expired(self, connection: Connection) -> None:
        if not self.done:
            self.late = True
            self.end()
            connection.close()


class Connection(asyncio.Protocol):
    """One connection; ``released`` is called when it may carry the next request."""

    def __init__(self, released: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._released, self._lost = released, lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._events: EventReader | None = None
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        del exc
        reply, self._reply = self._reply, None
        if reply is not None:
            started = reply.status != 0
            reply.end(
                Unavailable("the connection broke in the middle of the answer" if started else _BROKEN, sent=True)
            )
        self._lost(self)

    def eof_received(self) -> bool:
        """The server sends no more: an answer without a length ends here."""
        reply = self._reply
        if reply is not None and reply.status and self._until_close:
            self._complete(reply)
        return False

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._reply is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._break(ProtocolMismatch("the answer is not HTTP", sent=True))

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A response, perhaps an interim one, begins."""
        if self._reply is None:
            self.close()  # More than one answer to one request: nothing on this connection can be believed.
        self._parts, self._size, self._events = [], 0, None
        self._length = self._chunked = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self._size += len(name) + len(value)
        if self._size > MAX_HEAD_BYTES:
            self._break(ProtocolMismatch("the answer's head is too large", sent=True))
            return
        lower = name.lower()
        if lower == b"content-type" and self._reply is not None:
            self._reply.kind = value.partition(b";")[0].strip().lower()
        elif lower == b"content-length":
            self._length = True
        elif lower == b"transfer-encoding":
            self._chunked = True

    def on_headers_complete(self) -> None:
        """The head is there."""
        reply, status = self._reply, self._parser.get_status_code()
        self._size = 0
        if reply is None or status < 200:
            return
        reply.status = status
        self._until_close = not self._length and not self._chunked
        if reply.streams:
            self._events = EventReader(MAX_EVENT_BYTES)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        reply = self._reply
        if reply is None:
            return
        if self._events is not None:
            self._on_events(reply, self._events, body)
            return
        self._size += len(body)
        if self._size > MAX_BYTES:
            self._break(_too_large("answer", MAX_BYTES))
            return
        self._parts.append(body)

    def _on_events(self, reply: Reply, reader: EventReader, body: bytes) -> None:
        try:
            found = reader.feed(body)
        except EventTooLargeError:
            self._break(_too_large("event", MAX_EVENT_BYTES))
            return
        if found and self._transport is not None:
            reply.add_events(found, self._transport)

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._reply is not None and self._reply.status:
            self._complete(self._reply)

    def _complete(self, reply: Reply) -> None:
        reply.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._reply, self._parts = None, []
        if self._until_close or not self._parser.should_keep_alive():
            self.close()
        else:
            self._released(self)
        reply.end()

    def _break(self, failure: Unavailable) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.end(failure)
        self.close()

    # What the pool calls.

    _until_close = False
    _length = False
    _chunked = False

    def send(self, request: bytes, reply: Reply) -> None:
        """Write one whole request."""
        self._reply = reply
        if self._transport is not None:
            self._transport.write(request)

    def usable(self, now: float) -> bool:
        """Whether an idle connection may carry one more request: young, open, and nothing is waiting to be read."""
        transport = self._transport
        if transport is None or transport.is_closing() or now - self.idle_since > IDLE_SECONDS:
            return False
        if now - self.idle_since < FRESH_SECONDS:
            return True
        return not select.select([transport.get_extra_info("socket").fileno()], [], [], 0)[0]

    def linger(self, reply: Reply) -> None:
        """Nobody reads the rest of this answer: close, unless it ends in a moment."""
        if not reply.done:
            reply.expire(asyncio.get_running_loop().time() + LINGER_SECONDS, self)

    def close(self) -> None:
        """Close without waiting; a running request fails, which tells the server that nobody waits."""
        if self._transport is not None:
            self._transport.abort()


def _too_large(what: str, limit: int) -> Unavailable:
    return Unavailable(f"the {what} is larger than {limit // 1024 // 1024} MiB", sent=True)


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of all upstreams: the system's certificates, verified. It takes 20 ms to make."""
    return ssl.create_default_context()


class Origin:
    """The connections to one server; ``head`` is the start of every request."""

    def __init__(self, url: str, egress: Egress) -> None:
        parts, self._egress = urlsplit(url), egress
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False
        self.head = _head(parts)

    async def send(self, request: bytes, deadline: float) -> tuple[Connection, Reply]:
        """Send one request, which is given up at ``deadline`` (the event loop's seconds).

        Raises ``SessionLost`` where no connection could be made, so that nothing was sent.
        """
        connection = self._take() or await self._connect(deadline)
        reply = Reply()
        if deadline != NEVER:
            reply.expire(deadline, connection)
        connection.send(request, reply)
        return connection, reply

    def _take(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            found = self._idle.pop()
            if found.usable(now):
                return found
            found.close()
        return None

    async def _connect(self, deadline: float) -> Connection:
        if self._closed:
            raise SessionLost("the connection has ended")
        loop = asyncio.get_running_loop()
        context = tls_context() if self._secure else None
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_SECONDS)):
                made = await self._reach(await self._egress.addresses(self._host, self._port), context)
        except TimeoutError:
            raise SessionLost(f"cannot connect: no answer within {CONNECT_SECONDS:g} s") from None
        except (OSError, UnicodeError) as error:
            raise SessionLost(f"cannot connect: {_why(error)}") from None
        self._open.add(made)
        return made

    async def _reach(self, addresses: list[str], context: ssl.SSLContext | None) -> Connection:
        """A connection to the first address that takes one; raises ``OSError``."""
        name = self._host if context is not None else None
        for number, address in enumerate(addresses, 1):
            try:
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._released, self._lost),
                    address,
                    self._port,
                    ssl=context,
                    server_hostname=name,
                )
            except OSError:
                if number == len(addresses):
                    raise
            else:
                return made
        raise OSError

    def _released(self, connection: Connection) -> None:
        connection.idle_since = asyncio.get_running_loop().time()
        if self._closed or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every connection, and make no more."""
        self._closed = True
        for connection in tuple(self._open):
            connection.close()


def _head(parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    lines = (
        f"POST {target} HTTP/1.1",
        f"host: {authority}",
        "user-agent: meshplan",
        "accept: application/json, text/event-stream",
        "accept-encoding: identity",
        "content-type: application/json",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", errors="strict")


def _why(error: OSError | UnicodeError) -> str:
    """What the operating system or TLS said."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "the host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "connection failed"
