"""One HTTP/1.1 request on its way through the application: both halves of ASGI, and the short way past them."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

from meshplan.runtime.front.asgi import Scope

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Line(Protocol):
    """The client's connection, as its requests see it."""

    full: asyncio.Event | None

    @property
    def draining(self) -> bool:
        """Whether no further request is taken."""
        ...

    @property
    def date(self) -> bytes:
        """The Date line (RFC 9110 6.6.1)."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes, if the client is still there."""
        ...

    def resume(self) -> None:
        """The application took what was there."""
        ...

    def finished(self, request: Request) -> None:
        """An answer is complete: on to the next request, or close."""
        ...

    def give_up(self, request: Request) -> None:
        """The application left a request without a whole answer."""
        ...


class Request:
    """See ``asgi.Direct`` for what stands beside ASGI."""

    complete = gone = started = finished = expects = cancels = False
    keep_alive = True
    task: asyncio.Task[None] | None = None
    _waiter: asyncio.Future[None] | None = None
    _head = b""
    _chunked = _told = False

    def __init__(self, connection: Line) -> None:
        self.connection = connection
        self.scope: Scope = {}
        self.body = bytearray()

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
        connection.write(head % (STATUS_LINES[status], connection.date, kind, len(body), last) + body)
        self.wake()
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
    parts, length = [STATUS_LINES[message["status"]], date], message["status"] == 204
    for name, value in message["headers"]:
        parts.append(b"%b: %b\r\n" % (name, value))
        length = length or name == b"content-length"
    if close:
        parts.append(b"connection: close\r\n")
    parts.append(b"\r\n")
    return b"".join(parts), not length
