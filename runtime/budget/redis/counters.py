"""Counters in a Redis or Valkey, for several runtimes: nothing is guessed, and what it lost is put together again."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal

import anyio

from meshplan.runtime.budget.news import News
from meshplan.runtime.budget.port import Charge, CountersUnavailableError, Exceeded, Granted, Standing
from meshplan.runtime.budget.redis import answers, lua
from meshplan.runtime.budget.redis.link import Link
from meshplan.runtime.budget.redis.mirror import Mirror
from meshplan.schemas.ledger.spent import Sums

BEAT: Final = 1.0
"""Seconds between two signs of life."""
ALIVE: Final = 10
"""A runtime that has not been heard of for so many seconds is not waited for."""
WAIT: Final = 30
"""Seconds that a new epoch waits for those that were alive when the one before was lost."""
PAUSE: Final = 0.25
"""After a failure nobody tries again for so many seconds."""

REMEMBERED: Final = 8192
"""Decisions whose settling is known to have been done."""
PATIENCE: Final = 2.0
"""Seconds that a call waits while runtimes say what they spent."""

State = Literal["ok", "joining", "down"]
Connect = Callable[[], Awaitable[Link]]
"""Opens connections with the newest credential; raises ``CountersUnavailableError``."""

_log = logging.getLogger(__name__)


class RedisCounters:
    """See ``port.Counters``. A command whose answer never came leaves a doubt, which the next ``join`` clears up.

    ``name`` of own sums is ``CHAIN|RUN``: the ledger's chain that this process writes, and the run of the process. A
    generation fences off commands that were sent before a join and arrive after it. ``alone`` is what each runtime may
    grant by itself while the server cannot be reached: the limit divided by the runtimes last seen, or nothing.
    """

    def __init__(self, connect: Connect, mesh: str, chain: str, told: Mapping[str, Sums], *, alone: bool) -> None:
        self._connect, self._link = connect, None
        self._member = secrets.token_hex(8)
        self._own = f"{chain}|{self._member}"
        self._tag = f"{{meshplan:{mesh}}}:"
        self._keys = [self._tag + name for name in ("e", "gens", "touched", "members", "required", "joined")]
        self._counters = f"{self._tag}c:"
        self._mirror, self._news = Mirror(told), News()
        self._alone = alone
        self._epoch, self._generation, self._alive = "", 0, {self._member}
        self._doubt, self._open, self._under_way = True, False, 0
        self._joining, self._idle = anyio.Lock(), anyio.Event()
        self._again_at = 0.0
        self._settled: dict[str, None] = {}
        self.error: str | None = "not connected yet"

    @property
    def state(self) -> State:
        """Whether calls can be counted: ``joining`` while others have yet to say what they spent."""
        if self.error is not None:
            return "down"
        return "ok" if self._open and not self._doubt else "joining"

    async def reserve(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """See ``port.Counters``."""
        self._settled.pop(decision, None)
        try:
            found = await self._asked(lua.RESERVE, charges)
        except CountersUnavailableError:
            if not self._alone:
                raise
            return self._reserve_alone(charges)
        if isinstance(found, Granted):
            self._note(charges, found)
        return found

    async def settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """See ``port.Counters``."""
        if decision in self._settled:
            return
        self._settled[decision] = None
        if len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]
        changed: list[tuple[Charge, int, int]] = []
        for charge, start, came_to in zip(charges, granted.buckets, actual, strict=True):
            if came_to != charge.amount:
                self._mirror.add(charge.counter, start, came_to - charge.amount)
                changed.append((charge, start, came_to - charge.amount))
        if not changed or self._doubt:
            return
        keys = [*self._keys[:3], *(self._counters + charge.counter for charge, _, _ in changed)]
        values = [value for _, start, delta in changed for value in (start, delta)]
        with suppress(CountersUnavailableError):
            await self._command(lua.SETTLE, keys, lambda: [*self._bound(), "", *values])

    async def read(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See ``port.Counters``."""
        return (await self._asked(lua.READ, charges)).standings

    def sums(self) -> Mapping[str, int]:
        """What this runtime last saw counters hold, of what counts still."""
        return self._mirror.latest()

    async def names(self, most: int) -> list[str]:
        """The counters that all runtimes share, so many at most; raises ``CountersUnavailableError``."""
        found = await self._command(lua.NAMES, self._keys[:3], lambda: [*self._bound(), self._counters, most])
        return [bytes(name).decode() for name in found[1]]

    def _note(self, charges: Sequence[Charge], granted: Granted) -> None:
        for charge, start, standing in zip(charges, granted.buckets, granted.standings, strict=True):
            self._mirror.add(charge.counter, start, charge.amount)
            self._mirror.stood(charge.counter, standing)
            if charge.window in ("day", "month"):
                self._mirror.see(charge.counter, start, standing.used)

    def _reserve_alone(self, charges: Sequence[Charge]) -> Granted | Exceeded:
        found = answers.alone(charges, self._mirror, self._news, int(time.time()), len(self._alive))
        if isinstance(found, Granted):
            for charge, start in zip(charges, found.buckets, strict=True):
                self._mirror.add(charge.counter, start, charge.amount)
                self._mirror.grant_alone(charge.counter, start, charge.amount)
        return found

    async def _asked(self, script: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        keys = [*self._keys[:3], *(self._counters + charge.counter for charge in charges)]
        now = int(time.time())
        for _ in range(2):
            values = answers.values(charges, now)
            found = await self._command(script, keys, lambda said=values: [*self._bound(), self._counters, *said])
            if found[0] != b"skew":
                return answers.read(found, charges, adds=script is lua.RESERVE)
            now = int(found[1])
        raise CountersUnavailableError("the counters' server has no time that a calendar knows")

    def _bound(self) -> list[str | int]:
        run = self._link.run if self._link else ""
        return [self._epoch, run, self._member, self._generation, self._own]

    async def _command(self, script: str, keys: Sequence[str], values: Callable[[], Sequence[str | int]]) -> list[Any]:
        """Run it within this epoch; where that is over, join the next one, and run it there."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = await self._run(script, keys, values)
            if found[0] == b"wait":
                await anyio.sleep(PATIENCE / 20)
            elif found[0] in (b"lost", b"fenced"):
                self._doubt = True
            else:
                return found
        raise CountersUnavailableError("the counters are being put together again")

    async def _run(self, script: str, keys: Sequence[str], values: Callable[[], Sequence[str | int]]) -> list[Any]:
        link = await self._joined()
        self._under_way += 1
        try:
            found = await link.script(script, keys, values())
        except CountersUnavailableError as error:
            self._doubt, self.error = True, str(error)
            raise
        except anyio.get_cancelled_exc_class():
            # It may have run, or may yet.
            self._doubt = True
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self._open = found[0] != b"wait"
        return found

    async def _joined(self) -> Link:
        if self._link is not None and not self._doubt:
            return self._link
        async with self._joining:
            if self._link is not None and not self._doubt:
                return self._link
            if time.monotonic() < self._again_at:
                raise CountersUnavailableError(self.error or "the counters' server cannot be reached")
            while self._under_way:
                self._idle = anyio.Event()
                await self._idle.wait()
            try:
                return await self._join()
            except CountersUnavailableError as error:
                self._again_at, self.error = time.monotonic() + PAUSE, str(error)
                raise

    async def _join(self) -> Link:
        """Say everything again, so that no command in doubt matters any more."""
        if self._link is None:
            self._link = await self._connect()
        link = self._link
        await self._reach(link)
        self._generation += 1
        known = json.dumps(self._mirror.known(self._alive - {self._member}))
        values = [link.run, self._member, self._generation, secrets.token_hex(8), self._own, self._counters, known]
        found = await link.script(lua.JOIN, self._keys, values)
        epoch, self._open = bytes(found[0]).decode(), bool(found[1])
        if self._epoch not in ("", epoch):
            _log.warning("the counters' server lost what it had; a new epoch has begun")
        self._epoch, self._doubt, self.error = epoch, False, None
        self._mirror.together()
        return link

    async def _reach(self, link: Link) -> None:
        try:
            await link.connect()
        except CountersUnavailableError:
            # A credential may be new by now, and connections to a server that has gone are of no use.
            self._link = None
            await link.close()
            raise

    async def beat(self) -> None:
        """One sign of life; raises ``CountersUnavailableError``."""

        def values() -> list[str | int]:
            return [*self._bound()[:3], self._counters, ALIVE, WAIT]

        found = await self._command(lua.BEAT, self._keys, values)
        self._open = bool(found[1])
        self._alive = {self._member, *(bytes(name).decode() for name in found[2])}

    async def run(self) -> None:
        """Give signs of life until cancelled; say when the counters go, and when they are back."""
        before = self.error
        while True:
            with suppress(CountersUnavailableError):
                await self.beat()
            if (self.error is None) != (before is None):
                _log.warning("counters: %s", self.error or "reached again")
            before = self.error
            await anyio.sleep(BEAT)

    async def close(self) -> None:
        """Leave; what was spent stays."""
        if self._link is not None:
            with suppress(CountersUnavailableError):
                await self._link.script(lua.LEAVE, self._keys, [self._member])
            await self._link.close()


@asynccontextmanager
async def open_counters(counters: RedisCounters) -> AsyncGenerator[RedisCounters]:
    """Counters that give signs of life while the context is open."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(counters.run)
        try:
            yield counters
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await counters.close()
