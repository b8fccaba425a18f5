"""The sandbox's processes as the runtime sees them: started when a program needs one, kept a while, killed when in doubt."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.lowlevel import RunVar

from meshplan.runtime.record import Say
from meshplan.runtime.strategies.code.frames import Unframed, framed
from meshplan.runtime.strategies.code.messages import Failed, Ready, Said, read

MOST: Final = max(4, 2 * (os.cpu_count() or 1))
"""Programs that run at a time in one process of the runtime; most of a program's time goes to waiting for its calls."""
PROGRAMS: Final = 100
"""Programs after which a process is replaced."""
IDLE: Final = 60.0
"""Seconds that a process waits for a program."""
WAIT: Final = 10.0
"""Seconds that a program waits for its turn."""
START: Final = 15.0
"""Seconds that a process has to get ready."""

NO_START: Final = "the sandbox does not start"
_HOST: Final = "meshplan.runtime.strategies.code.host"
_FRAME: Final = 8 * 1024 * 1024


class SandboxError(Exception):
    """No sandbox can be had; ``reason`` says more to operators than the text does to callers."""

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason or message


class SandboxGone(Exception):
    """The process ended, or said what no such process says."""


def installed() -> bool:
    """Whether the sandbox's package is there."""
    return find_spec("pydantic_monty") is not None


@dataclass(slots=True, eq=False)
class Sandbox:
    """One process; it runs one program at a time, and only one that it is at rest after may be given another."""

    process: Process
    say: ByteSendStream
    hear: ByteReceiveStream
    confined: tuple[str, ...] = ()
    worker: int | None = None
    programs: int = 0
    resting: bool = True
    since: float = 0.0
    _held: Unframed = field(default_factory=lambda: Unframed(_FRAME))
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def send(self, text: bytes) -> None:
        """Say something; raises ``SandboxGone``."""
        try:
            async with self._lock:
                await self.say.send(framed(text))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            raise SandboxGone from None

    async def receive(self) -> Said:
        """The next thing that it says; raises ``SandboxGone``."""
        try:
            while (text := self._held.next()) is None:
                self._held.feed(await self.hear.receive())
            return read(text)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, ValueError):
            raise SandboxGone from None

    async def end(self) -> None:
        """Kill it and the interpreter that it holds, and take leave of both."""
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                try:
                    os.killpg(self.process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    self.process.kill()
            await self.process.aclose()


async def start() -> Sandbox:
    """A process that is ready; raises ``SandboxError``."""
    argv = [sys.executable, "-I", "-m", _HOST]
    try:
        process = await anyio.open_process(argv, env={}, cwd="/", stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise SandboxError(NO_START, str(error)) from None
    if process.stdin is None or process.stdout is None:
        raise SandboxError(NO_START)
    sandbox = Sandbox(process, process.stdin, process.stdout)
    try:
        with anyio.fail_after(START):
            ready = await sandbox.receive()
    except (SandboxGone, TimeoutError):
        await sandbox.end()
        raise SandboxError(NO_START, f"it was not ready within {START:g} s, or died") from None
    except BaseException:
        await sandbox.end()
        raise
    if not isinstance(ready, Ready):
        await sandbox.end()
        raise SandboxError(NO_START, ready.reason if isinstance(ready, Failed) else None)
    sandbox.confined, sandbox.worker = ready.confined, ready.worker
    return sandbox


@dataclass(slots=True)
class _Share:
    """The places that one owner can have, and how many programs of it run or wait."""

    room: anyio.Semaphore
    programs: int = 0


class Sandboxes:
    """All processes of one event loop: at most ``MOST``, and one more at rest than are needed while they are used."""

    def __init__(self, say: Say, most: int = MOST) -> None:
        self._say = say
        self._most, self._room = most, anyio.Semaphore(most)
        self._shares: dict[Hashable, _Share] = {}
        self._resting: list[Sandbox] = []
        self._used = anyio.Event()
        self._closed = False

    @property
    def resting(self) -> tuple[Sandbox, ...]:
        """Those that wait for a program."""
        return tuple(self._resting)

    @asynccontextmanager
    async def one(self, owner: Hashable = None) -> AsyncGenerator[Sandbox]:
        """A process for one program of this owner; raises ``SandboxError``. What is not at rest in the end is killed."""
        async with self._turn(owner):
            sandbox = self._resting.pop() if self._resting else await self._started()
            self._used.set()
            try:
                yield sandbox
            finally:
                await self._back(sandbox)

    @asynccontextmanager
    async def _turn(self, owner: Hashable) -> AsyncGenerator[None]:
        """A place among all, and among the owner's: nobody takes the last one that others could have."""
        share = self._shares.setdefault(owner, _Share(anyio.Semaphore(max(1, self._most - 1))))
        share.programs += 1
        try:
            async with AsyncExitStack() as places:
                try:
                    with anyio.fail_after(WAIT):
                        await places.enter_async_context(share.room)
                        await places.enter_async_context(self._room)
                except TimeoutError:
                    raise SandboxError("too many programs run at this moment: try again") from None
                yield
        finally:
            share.programs -= 1
            if not share.programs:
                del self._shares[owner]

    async def _back(self, sandbox: Sandbox) -> None:
        sandbox.programs += 1
        if self._closed or not sandbox.resting or sandbox.programs >= PROGRAMS:
            await sandbox.end()
        else:
            sandbox.since = time.monotonic()
            self._resting.append(sandbox)
        self._used.set()

    async def run(self) -> None:
        """Keep one at rest while programs come, and none when no more do."""
        while True:
            with anyio.move_on_after(IDLE if self._resting else math.inf):
                await self._used.wait()
            if self._used.is_set():
                self._used = anyio.Event()
                if not self._resting:
                    await self._ready()
            await self._end_idle()

    async def _started(self) -> Sandbox:
        try:
            return await start()
        except SandboxError as error:
            self._say("sandbox_failed", {"reason": error.reason})
            raise

    async def _ready(self) -> None:
        try:
            sandbox = await self._started()
        except SandboxError:
            return
        sandbox.since = time.monotonic()
        self._resting.append(sandbox)

    async def _end_idle(self) -> None:
        now = time.monotonic()
        idle = [sandbox for sandbox in self._resting if now - sandbox.since >= IDLE]
        self._resting = [sandbox for sandbox in self._resting if sandbox not in idle]
        for sandbox in idle:
            await sandbox.end()

    async def close(self) -> None:
        """End those at rest; those that run a program end with it."""
        self._closed = True
        resting, self._resting = self._resting, []
        for sandbox in resting:
            await sandbox.end()


_OPEN: RunVar[Sandboxes] = RunVar("meshplan_sandboxes")


@asynccontextmanager
async def open_sandboxes(say: Say, most: int = MOST) -> AsyncGenerator[Sandboxes]:
    """The processes for every endpoint that this event loop serves; ``current`` finds them, strategies hold nothing."""
    sandboxes = Sandboxes(say, most)
    async with anyio.create_task_group() as group:
        group.start_soon(sandboxes.run)
        token = _OPEN.set(sandboxes)
        try:
            yield sandboxes
        finally:
            _OPEN.reset(token)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await sandboxes.close()


def current() -> Sandboxes:
    """Those of this event loop; raises ``SandboxError`` where nobody has opened any."""
    sandboxes = _OPEN.get(None)
    if sandboxes is None:
        raise SandboxError("no sandbox is open")
    return sandboxes
