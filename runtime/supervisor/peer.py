"""Calls in both directions over one connection: with notes on the way, questions back, and cancellation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from meshplan.runtime.supervisor.wire import CannotCarryError, Wire, connected, encode

INBOX_SIZE: Final = 256
"""Notes that wait for a slow reader; more are dropped."""

Note = Callable[[Any], Awaitable[None]]
Answer = Callable[[Any], Awaitable[Any]]


class RefusalError(Exception):
    """The other side refuses a call; ``value`` says why, in the words of that call."""

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__(value)
        self.value = value


class LinkLostError(Exception):
    """The other process has gone."""


@dataclass(slots=True)
class _Open:
    """A call of ours that waits for its result."""

    inlet: MemoryObjectSendStream[Any]
    inbox: MemoryObjectReceiveStream[Any]
    answer: Answer | None
    value: Any = None
    failure: Exception | None = None

    def settle(self, value: Any = None, failure: Exception | None = None) -> None:
        self.value, self.failure = value, failure
        self.inlet.close()

    def note(self, value: Any) -> None:
        try:
            self.inlet.send_nowait(value)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call of the other side that is being answered."""

    peer: Peer
    number: int

    def note(self, value: Any) -> None:
        """Tell the caller something on the way."""
        self.peer.put({"n": self.number, "v": value})

    async def ask(self, value: Any) -> Any:
        """Ask the caller something; raises ``RefusalError`` and ``LinkLostError``."""
        return await self.peer.call("", value, of=self.number)


Handle = Callable[[str, Any, Incoming], Awaitable[Any]]
"""Answers a call (name, arguments) of the other side; raises ``RefusalError``."""
Hear = Callable[[str, Any], None]
"""Takes what the other side tells, and must not block."""


async def _nothing(name: str, _arguments: Any, _incoming: Incoming) -> Any:
    raise RefusalError({"reason": f"nobody answers `{name}` here"})


def _deaf(_name: str, _arguments: Any) -> None:
    return


@dataclass(slots=True, eq=False)
class Peer:
    """One side of a connection; ``run`` is its owner task. The reader never waits for anybody."""

    wire: Wire
    handle: Handle = _nothing
    hear: Hear = _deaf
    lost: anyio.Event = field(default_factory=anyio.Event)
    _calls: int = 0
    _open: dict[int, _Open] = field(default_factory=dict[int, _Open])
    _running: dict[int, anyio.CancelScope] = field(default_factory=dict[int, anyio.CancelScope])
    _outbox: list[bytes] = field(default_factory=list[bytes])
    _wake: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Read and write until the other side has gone; what is being answered then is cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, tasks.cancel_scope)
                while (frame := await self.wire.receive()) is not None:
                    self._take(frame, tasks)
                tasks.cancel_scope.cancel()
        finally:
            self.lost.set()
            for waiting in tuple(self._open.values()):
                waiting.settle(failure=LinkLostError())

    async def _write(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                waiting, self._outbox = self._outbox, []
                for frame in waiting:
                    await self.wire.send(frame)
                if not self._outbox:
                    self._wake = anyio.Event()
                    await self._wake.wait()
        except OSError:
            scope.cancel()

    def put(self, frame: dict[str, Any]) -> None:
        """Send a frame, in order; raises ``CannotCarryError``."""
        self._outbox.append(encode(frame))
        self._wake.set()

    def tell(self, name: str, arguments: Any) -> None:
        """Say something that needs no answer."""
        self.put({"p": name, "a": arguments})

    async def call(
        self,
        name: str,
        arguments: Any,
        *,
        on_note: Note | None = None,
        on_ask: Answer | None = None,
        of: int | None = None,
    ) -> Any:
        """The other side's result; raises ``RefusalError`` and ``LinkLostError``. Cancelling cancels it over there."""
        if self.lost.is_set():
            raise LinkLostError
        self._calls += 1
        number, waiting = self._calls, _Open(*anyio.create_memory_object_stream[Any](INBOX_SIZE), on_ask)
        try:
            self.put({"c": number, "m": name, "a": arguments} | ({} if of is None else {"of": of}))
        except CannotCarryError as error:
            raise RefusalError({"reason": str(error)}) from None
        self._open[number] = waiting
        settled = False
        try:
            async for note in waiting.inbox:
                if on_note is not None:
                    await on_note(note)
            settled = True
        finally:
            del self._open[number]
            waiting.inlet.close()
            waiting.inbox.close()
            if not settled:
                self.put({"x": number})
        if waiting.failure is not None:
            raise waiting.failure
        return waiting.value

    def _take(self, frame: dict[str, Any], tasks: anyio.abc.TaskGroup) -> None:
        if "c" in frame:
            tasks.start_soon(self._serve, frame)
        elif "x" in frame:
            scope = self._running.get(frame["x"])
            if scope is not None:
                scope.cancel()
        elif "p" in frame:
            self.hear(frame["p"], frame["a"])
        elif (waiting := self._open.get(frame["n"] if "n" in frame else frame["r"])) is not None:
            if "n" in frame:
                waiting.note(frame["v"])
            elif "e" in frame:
                waiting.settle(failure=RefusalError(frame["e"]))
            else:
                waiting.settle(frame["v"])

    async def _serve(self, frame: dict[str, Any]) -> None:
        number: int = frame["c"]
        with anyio.CancelScope() as scope:
            self._running[number] = scope
            try:
                reply = {"r": number, "v": await self._answer(frame)}
            except RefusalError as refusal:
                reply = {"r": number, "e": refusal.value}
            finally:
                del self._running[number]
            try:
                self.put(reply)
            except CannotCarryError as error:
                self.put({"r": number, "e": {"reason": str(error)}})

    async def _answer(self, frame: dict[str, Any]) -> Any:
        if "of" not in frame:
            return await self.handle(frame["m"], frame["a"], Incoming(self, frame["c"]))
        waiting = self._open.get(frame["of"])
        if waiting is None or waiting.answer is None:
            raise RefusalError({"reason": "nobody can be asked"})
        return await waiting.answer(frame["a"])


@asynccontextmanager
async def linked(path: Path, handle: Handle = _nothing, hear: Hear = _deaf) -> AsyncGenerator[Peer]:
    """Talk with the process that listens there while the context is open; raises ``OSError`` where none does."""
    async with connected(path) as wire, anyio.create_task_group() as tasks:
        peer = Peer(wire, handle, hear)
        tasks.start_soon(peer.run)
        yield peer
        tasks.cancel_scope.cancel()
