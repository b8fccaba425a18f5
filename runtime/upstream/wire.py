"""One HTTP/1.1 connection as the data path needs it: one POST at a time, its response as it arrives, nothing unbounded.

A response that is an event stream is handed over event by event; any other is handed over whole. No redirect is
followed; ``origin.py`` keeps the connections to one server.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from meshplan.runtime.upstream.deadline import Deadline
from meshplan.runtime.upstream.events import EventReader, EventTooLargeError
from meshplan.runtime.upstream.failures import ProtocolMismatch, Unavailable

IDLE_SECONDS = 4.0
"""uvicorn and Node close idle connections after 5 s: a POST that races with that cannot be repeated safely."""
FRESH_SECONDS = 0.2
"""An idle connection that is older is asked for a pending end before it is used."""
MAX_BYTES = 16 * 1024 * 1024
"""Of one JSON body."""
MAX_EVENT_BYTES = 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 1.0
"""An event stream whose answer has come gets so long to end by itself, which keeps the connection."""
MAX_EVENTS = 64
"""Events that may wait for a slow reader before the server has to wait, too."""
EVENTS = b"text/event-stream"

_BROKEN = "the connection broke before the answer"


class Reply:
    """One response as it arrives; ``wait`` returns whenever there is something new."""

    __slots__ = ("_paused", "_waiter", "body", "challenge", "done", "events", "failure", "kind", "late", "status")

    def __init__(self) -> None:
        self.status = 0
        self.kind = b""
        self.challenge = b""
        self.body = b""
        self.events: deque[bytes] = deque()
        self.done = False
        self.late = False
        self.failure: Unavailable | None = None
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
            self.wake()


class Connection(asyncio.Protocol):
    """One connection; ``released`` is called when it may carry the next request."""

    def __init__(self, released: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._released, self._lost = released, lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._deadline = Deadline(self._expired)
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
        self._deadline.close()
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
        elif lower == b"www-authenticate" and self._reply is not None:
            self._reply.challenge += b"," + value

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

    def send(self, request: bytes, reply: Reply, deadline: float) -> None:
        """Write one whole request, which is given up at this time of the event loop."""
        self._reply = reply
        self._deadline.set(deadline)
        if self._transport is not None:
            self._transport.write(request)

    def usable(self, now: float) -> bool:
        """Whether an idle connection may carry one more request: young, open, and nothing is waiting to be read."""
        transport = self._transport
        if transport is None or transport.is_closing() or now - self.idle_since > IDLE_SECONDS:
            return False
        if now - self.idle_since < FRESH_SECONDS:
            return True
        pending = select.poll()  # not `select`, which takes no descriptor beyond 1,023
        pending.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not pending.poll(0)

    def linger(self, reply: Reply) -> None:
        """Nobody reads the rest of this answer: close, unless it ends in a moment."""
        if not reply.done:
            self._deadline.set(asyncio.get_running_loop().time() + LINGER_SECONDS)

    def _expired(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.late = True
            reply.end()
            self.close()

    def close(self) -> None:
        """Close without waiting; a running request fails, which tells the server that nobody waits."""
        if self._transport is not None:
            self._transport.abort()


def _too_large(what: str, limit: int) -> Unavailable:
    return Unavailable(f"the {what} is larger than {limit // 1024 // 1024} MiB", sent=True)
