"""One program from its first line to its end: its calls are made here, its bounds are kept from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import anyio
import msgspec

from meshplan.runtime import jsonbytes
from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.code.messages import Asked, End, Problem
from meshplan.runtime.strategies.code.pool import Sandbox, Sandboxes, SandboxGone
from meshplan.runtime.strategies.code.values import CallFailed, Failure, failure_of
from meshplan.schemas.plan import Code

NOTHING: Final = msgspec.Raw(b"null")
GRACE: Final = 0.1
"""Seconds after its wall clock until a program that does not end is killed."""
AT_ONCE: Final = 32
"""Calls of one program that are under way at a time; more wait."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Calls a function of the program (name, arguments) for its value; raises ``RpcError``, ``CallFailed``."""


@dataclass(slots=True)
class Made:
    """One call that a program made; ``seconds`` it took, ``error`` is what came of it otherwise."""

    function: str
    seconds: float | None = None
    error: str | None = None


@dataclass(slots=True)
class Ending:
    """How a program ended: its value (JSON), or the kind of failure with its message and line; and what it did until then."""

    value: msgspec.Raw = field(default_factory=lambda: NOTHING)
    kind: str | None = None
    message: str = ""
    line: int | None = None
    logs: str = ""
    calls: list[Made] = field(default_factory=list)


async def run(
    sandboxes: Sandboxes, code: str, names: Sequence[str], bounds: Code, ask: Ask, *, owner: Hashable = None
) -> Ending:
    """Run it in a process that is killed where it does not end in time, also when the caller leaves.

    Raises ``SandboxError`` where none can be had.
    """
    async with sandboxes.one(owner) as sandbox:
        return await _Running(sandbox, bounds, ask).run(code, names)


class _Running:
    def __init__(self, sandbox: Sandbox, bounds: Code, ask: Ask) -> None:
        self._sandbox, self._bounds, self._ask = sandbox, bounds, ask
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._ending = Ending()
        self._stops: Failure | None = None
        self._until = anyio.CancelScope()

    async def run(self, code: str, names: Sequence[str]) -> Ending:
        bounds, sandbox = self._bounds, self._sandbox
        order: dict[str, Any] = {
            "run": code,
            "names": names,
            "wall": bounds.wall_ms,
            "memory": bounds.memory_bytes,
            "calls": bounds.calls,
            "output": bounds.output_bytes,
            "logs": bounds.logs_bytes,
        }
        sandbox.resting = False
        end = End(NOTHING, Problem("wall", "", None), "")
        self._until.deadline = anyio.current_time() + bounds.wall_ms / 1000 + GRACE
        with self._until:
            try:
                await sandbox.send(jsonbytes.encode(order))
                end = await self._follow()
            except SandboxGone:
                end.error = Problem("crashed", "the sandbox broke down", None)
        self._take(end)
        return self._ending

    async def _follow(self) -> End:
        """Make the calls that it asks for, until it says how it ended; what is still under way then is cancelled."""
        said = await self._sandbox.receive()
        async with anyio.create_task_group() as group:
            while isinstance(said, Asked) and len(self._ending.calls) < self._bounds.calls:
                made = Made(said.name)
                self._ending.calls.append(made)
                group.start_soon(self._call, said, made)
                said = await self._sandbox.receive()
            group.cancel_scope.cancel()
        if not isinstance(said, End):
            raise SandboxGone
        return said

    async def _call(self, asked: Asked, made: Made) -> None:
        """Make one call in its turn, and say what came of it."""
        async with self._turns:
            began = monotonic()
            answer = await self._answer(asked, made)
            made.seconds = monotonic() - began
        with suppress(SandboxGone):
            await self._sandbox.send(jsonbytes.encode(answer))

    async def _answer(self, asked: Asked, made: Made) -> dict[str, Any]:
        try:
            by_place, by_name = asked.arguments()
            if by_place:
                made.error = f"{made.function} takes its arguments by name"
                return {"settle": asked.call, "type": "TypeError", "error": made.error}
            return {"settle": asked.call, "value": await self._ask(made.function, by_name)}
        except (RpcError, CallFailed, ValueError) as error:
            failed = failure_of(made.function, error)
        made.error = failed.message
        if failed.stops is None:
            return {"settle": asked.call, "type": failed.type, "error": failed.message}
        self._stops = self._stops or failed
        self._until.deadline = min(self._until.deadline, anyio.current_time() + GRACE)
        return {"stop": failed.message}

    def _take(self, end: End) -> None:
        ending, problem = self._ending, end.error
        ending.value, ending.logs = end.value, end.logs
        self._sandbox.resting = problem is None or problem.kind in _AT_REST
        if problem is None:
            return
        ending.line = problem.line
        if self._stops is not None:
            ending.kind, ending.message = self._stops.stops, self._stops.message
        else:
            ending.kind, ending.message = problem.kind, self._words(problem)

    def _words(self, problem: Problem) -> str:
        match problem.kind:
            case "wall":
                return f"it took longer than {self._bounds.wall_ms / 1000:g} seconds"
            case "memory":
                return f"it used more than {self._bounds.memory_bytes >> 20} MiB of memory"
            case _:
                return problem.message


_AT_REST: Final = frozenset({"error", "syntax", "output", "calls", "stopped"})
"""Failures after which the interpreter is as good as before."""
