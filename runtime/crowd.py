"""How many calls each caller and each server has under way; who finds a server full waits in line, within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from meshplan.runtime.errors import overloaded, upstream_overloaded
from meshplan.runtime.headcount import Alone, Headcount, Who

QUEUE_SECONDS = 5.0
"""A call that has waited so long for its turn at a server is told to come back."""


class Line:
    """One server's turns: at most ``limit`` calls run, as many more wait, first come first served."""

    def __init__(self, server: str, turns: Headcount | None = None, waits: Headcount | None = None) -> None:
        self.server, self.turns, self.waits = server, turns or Alone(), waits or Alone()
        self.who = (server,)
        self.limit = 0
        self.waiting: deque[anyio.Event] = deque()

    def enter(self, limit: int) -> bool:
        """Take a turn, if one is free and nobody waits for it."""
        self.limit = limit
        return not self.waiting and self.turns.enter(self.who, limit)

    async def wait(self, seconds: float) -> None:
        """Take a turn once there is one; raises ``RpcError`` where that takes too long, or too many wait."""
        if not self.waits.enter(self.who, 2 * self.limit - self.turns.total(self.who)):
            raise upstream_overloaded(self.server, self.limit)
        turn = anyio.Event()
        self.waiting.append(turn)
        self.joined()
        try:
            with anyio.move_on_after(min(seconds, QUEUE_SECONDS)):
                await turn.wait()
        except anyio.get_cancelled_exc_class():
            if turn.is_set():
                self.leave()
            raise
        finally:
            if not turn.is_set():
                self.waiting.remove(turn)
                self.waits.leave(self.who)
        if not turn.is_set():
            raise upstream_overloaded(self.server, self.limit)

    def joined(self) -> None:
        """Somebody waits who did not."""

    def leave(self) -> None:
        """A call is over: the next one in line has its turn."""
        if self.waiting and self.turns.total(self.who) <= self.limit:
            self.call_next()
        else:
            self.turns.leave(self.who)

    def call_next(self) -> None:
        """Whoever waits longest has the turn that was taken for it."""
        self.waits.leave(self.who)
        self.waiting.popleft().set()


@dataclass(slots=True)
class _Turn:
    given: anyio.Event
    borrowed: bool = False


class Share:
    """The turns of the calls that one call leads to: its own, and those that its caller has left; the others wait."""

    def __init__(self, callers: Headcount, owner: Who, limit: int) -> None:
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
        if not self._waiting and self._callers.enter(self._owner, self._limit):
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
            self._callers.leave(self._owner)
        else:
            self._own_free = True


class _Place:
    """One call of a principal while it runs; a class, as one of ``contextlib`` costs each call five times as much."""

    __slots__ = ("_callers", "_limit", "_owner")

    def __init__(self, callers: Headcount, owner: Who, limit: int) -> None:
        self._callers, self._owner, self._limit = callers, owner, limit

    def __enter__(self) -> None:
        if not self._callers.enter(self._owner, self._limit):
            raise overloaded(self._limit)

    def __exit__(self, *exc: object) -> None:
        self._callers.leave(self._owner)


class Crowd:
    """The calls of one process; ``line`` makes the line at a server, and ``callers`` counts."""

    def __init__(self, callers: Headcount | None = None, line: Callable[[str], Line] = Line) -> None:
        self._callers, self._line = callers or Alone(), line
        self._lines: dict[str, Line] = {}

    def caller(self, owner: Who, limit: int) -> _Place:
        """One more call of a principal (issuer, sub); entering raises ``RpcError`` where it has as many as it may."""
        return _Place(self._callers, owner, limit)

    def share(self, owner: Who, limit: int) -> Share:
        """The turns of what one running call of a principal leads to."""
        return Share(self._callers, owner, limit)

    def line(self, server: str) -> Line:
        """The line at a server."""
        found = self._lines.get(server)
        if found is None:
            found = self._lines[server] = self._line(server)
        return found
