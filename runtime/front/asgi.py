"""The little of ASGI that we need: read a body within bounds, answer once, or stream events; knows no MCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, cast

import anyio

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_TIMEOUT = 30.0
"""Seconds within which a body must have arrived."""
PATIENCE = 4
"""A body up to this many times too large is read and dropped, so that its sender gets to see the refusal."""
KEEP_ALIVE = 15.0
"""Seconds of silence after which a stream gets a comment, so that no proxy takes it for dead."""

JSON = "application/json"
EVENTS = "text/event-stream"
_JSON = JSON.encode("ascii")
_EVENT_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


DIRECT = "meshplan.direct"
"""The ASGI extension by which our own server offers ``Direct``."""


KEPT = "meshplan.kept"
"""The ASGI extension that is a dict for the application, which lasts as long as the client's connection."""


class Direct(Protocol):
    """A request that can be read and answered at once, without the messages of ASGI."""

    def cancel_when_gone(self) -> None:
        """From now on, cancel the application's task when the client goes away."""
        ...

    def whole(self, limit: int) -> bytes | None:
        """The body, once, where all of it has arrived and it is no longer than ``limit`` bytes."""
        ...

    def reply(self, status: int, kind: bytes, body: bytes) -> None:
        """Send one whole response of a media type."""
        ...


def direct_of(scope: Scope) -> Direct | None:
    """The short way, where the server has it."""
    return cast("Direct | None", scope.get("extensions", {}).get(DIRECT))


class BodyError(Exception):
    """A body that is not taken; ``status`` is 408, 413 or, for a caller that left, 499."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def read_body(receive: Receive, declared: str | None, limit: int) -> bytes:
    """The whole body, at most ``limit`` bytes; ``declared`` is the Content-Length header. Raises ``BodyError``."""
    patience = PATIENCE * limit
    if declared is not None and (not declared.isdecimal() or int(declared[:20]) > patience):
        raise BodyError(413)
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(BODY_TIMEOUT):
        while True:
            found = await receive()
            if found["type"] != "http.request":
                raise BodyError(499)
            size += len(found.get("body", b""))
            last = not found.get("more_body", False)
            if size > patience or (last and size > limit):
                raise BodyError(413)
            if size <= limit:
                parts.append(found.get("body", b""))
            if last:
                return b"".join(parts)
    raise BodyError(408)


async def until_disconnect(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(
    send: Send, status: int, body: bytes = b"", kind: str = JSON, headers: Mapping[str, str] | None = None
) -> None:
    """Send one whole response."""
    length = {} if status == 204 else {"content-length": str(len(body))}
    found = {**length, **({"content-type": kind} if body else {}), **(headers or {})}
    await send(_start(status, found))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": lines}


class Exchange:
    """One response that may still become a stream: the first event commits it to ``text/event-stream``."""

    def __init__(self, send: Send, headers: Mapping[str, str] | None = None, *, direct: Direct | None = None) -> None:
        self._send, self._direct = send, direct
        self._headers = dict(headers or {})
        self._streaming = False
        self._done = False
        self._lock = asyncio.Lock()

    @property
    def streaming(self) -> bool:
        """Whether the response is committed to being a stream."""
        return self._streaming

    def add(self, headers: Mapping[str, str]) -> None:
        """Say more in the head, should the response not be under way yet."""
        self._headers.update(headers)

    async def open(self) -> None:
        """Commit to a stream, with a comment so that the client sees the headers at once."""
        await self._write(b": open\n\n")

    async def prime(self, event_id: str, retry_ms: int) -> None:
        """Commit to a stream with an empty event, whose id lets the client come back (SEP-1699)."""
        await self._write(f"id: {event_id}\nretry: {retry_ms}\ndata:\n\n".encode())

    async def event(self, message: bytes, event_id: str | None = None) -> None:
        """Send one message on the stream; nothing is sent after the end."""
        number = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
        await self._write(b"event: message\n" + number + b"data: " + message + b"\n\n")

    async def _write(self, chunk: bytes) -> None:
        async with self._lock:
            if self._done:
                return
            if not self._streaming:
                self._streaming = True
                await self._send(_start(200, {"content-type": EVENTS, **_EVENT_HEADERS, **self._headers}))
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, status: int, message: bytes = b"") -> None:
        """Send the final message, as an event where the stream is open, else as the whole response."""
        if self._streaming and message:
            await self.event(message)
        async with self._lock:
            if self._done:
                return
            self._done = True
            if self._streaming:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            elif self._direct is not None and message and not self._headers:
                self._direct.reply(status, _JSON, message)
            else:
                await respond(self._send, status, message, headers=self._headers)

    async def keep_alive(self, *, commit: bool) -> None:
        """Comment on the stream again and again, making it one where ``commit``; runs until it is cancelled."""
        while not self._done:
            await anyio.sleep(KEEP_ALIVE)
            if commit or self._streaming:
                await self._write(b": keep-alive\n\n")
