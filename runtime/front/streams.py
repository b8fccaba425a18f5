"""The event streams of one session: each event has an id, and a client that lost its connection comes back for the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from meshplan.runtime.front.asgi import Exchange

MAX_BYTES = 512 * 1024
"""What one session keeps of events that were sent, or that nobody has fetched yet; the newest is always kept."""
RETRY_MS = 1000
"""Milliseconds after which a client that lost its stream should come back."""
RESUME_SECONDS = 60.0
"""Seconds that a client which lost its stream has until we take it that it will not answer questions."""


@dataclass(eq=False, slots=True)
class Reader:
    """One HTTP response that a stream is written to; ``over`` is set when it has nothing more to say.

    ``primed`` is set once the client could come back for the rest.

    ``primes``: the client knows (2025-11-25, SEP-1699) that a stream begins with an empty event which has an id.
    """

    exchange: Exchange
    primes: bool
    over: asyncio.Event = field(default_factory=asyncio.Event)
    primed: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, event_id: str) -> None:
        """Commit the response to being a stream that can be resumed after this id."""
        if self.exchange.streaming:
            return
        if self.primes:
            await self.exchange.prime(event_id, RETRY_MS)
            self.primed.set()
        else:
            await self.exchange.open()


class Stream:
    """The messages of one response, or of the session's own stream, in order; at most one reader at a time."""

    can_ask = True

    def __init__(self, name: str, log: Streams) -> None:
        self.name, self._log = name, log
        self.gone, self.ended = asyncio.Event(), False
        self.detached_at: float | None = None
        self._reader: Reader | None = None
        self._last, self._lost, self._primed = 0, 0, False
        self._lock = asyncio.Lock()

    @property
    def reader(self) -> Reader | None:
        """Where messages go right now; ``None`` while the client is away."""
        return self._reader

    @property
    def resumable(self) -> bool:
        """Whether the client has got an id to come back with."""
        return self._primed or self._last > 0

    async def lost(self) -> None:
        """Return once nobody reads and nobody can be expected to come back."""
        while self.resumable:
            since = self.detached_at
            await anyio.sleep(RESUME_SECONDS)
            if since is not None and since == self.detached_at:
                return

    def event_id(self, number: int) -> str:
        """The id of an event: unique in the session (streamable HTTP, Resumability and Redelivery)."""
        return f"{self.name}.{number}"

    async def write(self, message: bytes) -> None:
        """Send one message, or keep it until the client is back."""
        async with self._lock:
            self._last += 1
            self._log.keep(self, self._last, message)
            if self._reader is not None:
                await self._begin(self._reader, self._last - 1)
                await self._reader.exchange.event(message, self.event_id(self._last))

    def head(self, headers: Mapping[str, str]) -> None:
        """Say this in the head of the response, unless that has left or nobody reads."""
        if self._reader is not None:
            self._reader.exchange.add(headers)

    async def _begin(self, reader: Reader, number: int) -> None:
        self._primed = self._primed or reader.primes
        await reader.begin(self.event_id(number))

    async def begin(self) -> None:
        """Commit the reader's response to being a stream."""
        async with self._lock:
            if self._reader is not None:
                await self._begin(self._reader, self._last)

    async def attach(self, reader: Reader, after: int | None = None) -> bool:
        """Send to this reader from now on, and first what came after event number ``after``.

        The reader before it is let go. False where events are gone that the client has not seen.
        """
        async with self._lock:
            if after is not None:
                if not self._lost <= after <= self._last:
                    return False
                await self._begin(reader, after)
                for number, message in self._log.after(self, after):
                    await reader.exchange.event(message, self.event_id(number))
            self._let_go()
            if self.ended:
                reader.over.set()
            else:
                self._reader, self.detached_at = reader, None
        return True

    def detach(self, reader: Reader) -> None:
        """The client has gone, or is told to come back."""
        if self._reader is reader:
            self._let_go()
            self.detached_at = anyio.current_time()

    def _let_go(self) -> None:
        if self._reader is not None:
            self._reader.over.set()
            self._reader = None

    async def finish(self, final: bytes | None) -> None:
        """End the stream with its response; a reader that is no stream yet gets it as the whole body."""
        reader = self._reader
        if final is not None and (self.resumable if reader is None else reader.exchange.streaming):
            await self.write(final)
            final = b""
        reader = self._reader
        self.ended = True
        if reader is not None:
            await reader.exchange.finish(202 if final is None else 200, final or b"")
        self._let_go()

    def forget(self, number: int) -> None:
        """Event ``number`` is no longer kept."""
        self._lost = max(self._lost, number)


class Streams:
    """All streams of one session, by name, and their events in the order in which they came."""

    def __init__(self) -> None:
        self._opened, self._bytes = 0, 0
        self._streams: dict[str, Stream] = {}
        self._kept: deque[tuple[Stream, int, bytes]] = deque()

    def open(self) -> Stream:
        """A new stream."""
        self._opened += 1
        stream = self._streams[str(self._opened)] = Stream(str(self._opened), self)
        return stream

    def find(self, event_id: str) -> tuple[Stream, int] | None:
        """The stream and number of an event, while its stream is known."""
        name, _, number = event_id.rpartition(".")
        stream = self._streams.get(name)
        return None if stream is None or not number.isdecimal() or len(number) > 18 else (stream, int(number))

    def keep(self, stream: Stream, number: int, message: bytes) -> None:
        """Keep an event, and forget the oldest ones where it gets too much."""
        self._kept.append((stream, number, message))
        self._bytes += len(message)
        while self._bytes > MAX_BYTES and len(self._kept) > 1:
            oldest, lost, dropped = self._kept.popleft()
            self._bytes -= len(dropped)
            oldest.forget(lost)
            self._tidy(oldest)

    def after(self, stream: Stream, number: int) -> list[tuple[int, bytes]]:
        """The kept events of a stream after one of them."""
        return [(at, message) for owner, at, message in self._kept if owner is stream and at > number]

    def close(self, stream: Stream) -> None:
        """The stream is over; what it said can be fetched as long as it is kept."""
        stream.ended = True
        self._tidy(stream)

    def _tidy(self, stream: Stream) -> None:
        if stream.ended and all(owner is not stream for owner, _, _ in self._kept):
            self._streams.pop(stream.name, None)
