"""One program from its first line to its end: its calls are made here, its bounds are kept from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import anyio

from meshplan.runtime import jsonbytes
from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.code.pool import Sandbox, Sandboxes, SandboxGone
from meshplan.runtime.strategies.code.values import CallFailed, failure_of
from meshplan.schemas.plan import Code

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
    """How a program ended: its value, or the kind of failure with its message and line; and what it did until then."""

    value: Any = None
    kind: str | None = None
    message: str = ""
    line: int | None = None
    logs: str = ""
    calls: list[Made] = field(default_factory=list)


async def run(sandboxes: Sandboxes, code: str, names: Sequence[str], bounds: Code, ask: Ask) -> Ending:
    """Run it in a process that is killed where it does not end in time, also when the caller leaves.

    Raises ``SandboxError`` where none can be had.
    """
    async with sandboxes.one() as sandbox:
        return await _Running(sandbox, bounds, ask).run(code, names)


class _Running:
    def __init__(self, sandbox: Sandbox, bounds: Code, ask: Ask) -> None:
        self._sandbox, self._bounds, self._ask = sandbox, bounds, ask
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._ending = Ending()
        self._stops: str | None = None

    async def run(self, code: str, names: Sequence[str]) -> Ending:
        bounds, sandbox, wall = self._bounds, self._sandbox, self._bounds.wall_ms / 1000
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
        said: dict[str, Any] | None = None
        with anyio.move_on_after(wall + GRACE):
            try:
                await sandbox.send(jsonbytes.encode(order))
                said = await self._follow()
            except SandboxGone:
                said = {"error": {"kind": "crashed", "message": "the sandbox broke down", "line": None}}
        self._end(said)
        return self._ending

    async def _follow(self) -> dict[str, Any]:
        """Make the calls that it asks for, until it says how it ended; what is still under way then is cancelled."""
        said = await self._sandbox.receive()
        async with anyio.create_task_group() as group:
            while "end" not in said:
                if len(self._ending.calls) >= self._bounds.calls:
                    raise SandboxGone
                made = Made(str(said["name"]))
                self._ending.calls.append(made)
                group.start_soon(self._call, said, made)
                said = await self._sandbox.receive()
            group.cancel_scope.cancel()
        return said

    async def _call(self, said: Mapping[str, Any], made: Made) -> None:
        """Make one call in its turn, and say what came of it."""
        async with self._turns:
            began = monotonic()
            answer = await self._answer(said, made)
            made.seconds = monotonic() - began
        with suppress(SandboxGone):
            await self._sandbox.send(jsonbytes.encode(answer))

    async def _answer(self, said: Mapping[str, Any], made: Made) -> dict[str, Any]:
        positional, arguments = said["sent"]
        call = said["call"]
        if positional:
            made.error = f"{made.function} takes its arguments by name"
            return {"settle": call, "type": "TypeError", "error": made.error}
        try:
            return {"settle": call, "value": await self._ask(made.function, arguments)}
        except (RpcError, CallFailed) as error:
            failed = failure_of(made.function, error)
        made.error = failed.message
        if failed.stops is None:
            return {"settle": call, "type": failed.type, "error": failed.message}
        self._stops = failed.stops
        return {"stop": failed.message}

    def _end(self, said: Mapping[str, Any] | None) -> None:
        ending = self._ending
        said = said or {"error": {"kind": "wall", "message": "", "line": None}}
        ending.value, ending.logs = said.get("end"), said.get("logs", "")
        error = said.get("error")
        if error is not None:
            kind = error["kind"]
            ending.kind = self._stops if kind == "stopped" else kind
            ending.message, ending.line = self._words(kind, error["message"]), error["line"]
        self._sandbox.resting = error is None or error["kind"] in _AT_REST

    def _words(self, kind: str, message: str) -> str:
        match kind:
            case "wall":
                return f"it took longer than {self._bounds.wall_ms / 1000:g} seconds"
            case "memory":
                return f"it used more than {self._bounds.memory_bytes >> 20} MiB of memory"
            case _:
                return message


_AT_REST: Final = frozenset({"error", "syntax", "output", "calls", "stopped"})
"""Failures after which the interpreter is as good as before."""
