"""How many calls each caller and each server has under way; who finds a server full waits in line, within bounds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from meshplan.runtime.errors import overloaded, upstream_overloaded

QUEUE_SECONDS = 5.0
"""A call that has waited so long for its turn at a server is told to come back."""


class Line:
    """One server's turns: at most ``limit`` calls run, as many more wait, first come first served."""

    def __init__(self, server: str) -> None:
        self.server, self.running = server, 0
        self._limit = 0
        self._waiting: deque[anyio.Event] = deque()

    def enter(self, limit: int) -> bool:
        """Take a turn, if one is free and nobody waits for it."""
        self._limit = limit
        if self.running >= limit or self._waiting:
            return False
        self.running += 1
        return True

    async def wait(self, seconds: float) -> None:
        """Take a turn once there is one; raises ``RpcError`` where that takes too long, or too many wait."""
        if len(self._waiting) >= self._limit:
            raise upstream_overloaded(self.server, self._limit)
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            with anyio.move_on_after(min(seconds, QUEUE_SECONDS)):
                await turn.wait()
        except anyio.get_cancelled_exc_class():
            self._give_back(turn)
            raise
        if not turn.is_set():
            self._waiting.remove(turn)
            raise upstream_overloaded(self.server, self._limit)

    def _give_back(self, turn: anyio.Event) -> None:
        if turn.is_set():
            self.leave()
        else:
            self._waiting.remove(turn)

    def leave(self) -> None:
        """A call is over: the next one in line has its turn."""
        if self._waiting and self.running <= self._limit:
            self._waiting.popleft().set()
        else:
            self.running -= 1


@dataclass(slots=True)
class _Turn:
    given: anyio.Event
    borrowed: bool = False


class Share:
    """The turns of the calls that one call leads to: its own, and those that its caller has left; the others wait."""

    def __init__(self, callers: Counter[tuple[str, str]], owner: tuple[str, str], limit: int) -> None:
        self._callers, self._owner, self._limit = callers, owner, limit
        self._own_free = True
        self._waiting: deque[_Turn] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a turn, and have it."""
        borrowed = await self._enter()
        try:
            yield
        finally:
            self._leave(borrowed=borrowed)

    async def _enter(self) -> bool:
        if self._own_free:
            self._own_free = False
            return False
        if not self._waiting and self._callers[self._owner] < self._limit:
            self._callers[self._owner] += 1
            return True
        turn = _Turn(anyio.Event())
        self._waiting.append(turn)
        try:
            await turn.given.wait()
        except anyio.get_cancelled_exc_class():
            if turn.given.is_set():
                self._leave(borrowed=turn.borrowed)
            else:
                self._waiting.remove(turn)
            raise
        return turn.borrowed

    def _leave(self, *, borrowed: bool) -> None:
        if self._waiting:
            turn = self._waiting.popleft()
            turn.borrowed = borrowed
            turn.given.set()
        elif borrowed:
            self._callers[self._owner] -= 1
        else:
            self._own_free = True


class _Place:
    """One call of a principal while it runs; a class, as one of ``contextlib`` costs each call five times as much."""

    __slots__ = ("_callers", "_limit", "_owner")

    def __init__(self, callers: Counter[tuple[str, str]], owner: tuple[str, str], limit: int) -> None:
        self._callers, self._owner, self._limit = callers, owner, limit

    def __enter__(self) -> None:
        running = self._callers.get(self._owner, 0)
        if running >= self._limit:
            raise overloaded(self._limit)
        self._callers[self._owner] = running + 1

    def __exit__(self, *exc: object) -> None:
        running = self._callers[self._owner] - 1
        if running:
            self._callers[self._owner] = running
        else:
            del self._callers[self._owner]


class Crowd:
    """The calls of one process."""

    def __init__(self) -> None:
        self._callers: Counter[tuple[str, str]] = Counter()
        self._lines: dict[str, Line] = {}

    def caller(self, owner: tuple[str, str], limit: int) -> _Place:
        """One more call of a principal (issuer, sub); entering raises ``RpcError`` where it has as many as it may."""
        return _Place(self._callers, owner, limit)

    def share(self, owner: tuple[str, str], limit: int) -> Share:
        """The turns of what one running call of a principal leads to."""
        return Share(self._callers, owner, limit)

    def line(self, server: str) -> Line:
        """The line at a server."""
        found = self._lines.get(server)
        if found is None:
            found = self._lines[server] = Line(server)
        return found
