"""The process that holds the sandbox: takes programs on standard input, relays their calls, gives nothing else away.

It imports nothing of the runtime, has no environment, and runs one program at a time; its parent decides every call and
kills it, with the interpreter that it holds, where it does not keep to a limit.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module, metadata
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

import pydantic_monty as monty

from meshplan.runtime.strategies.code import confine
from meshplan.runtime.strategies.code.frames import Unframed, framed

MAX_ARGUMENTS: Final = 1024 * 1024
"""Bytes of JSON that one inner call may send."""
MAX_DEPTH: Final = 100
"""Levels of nesting that a value may have."""
MAX_MESSAGE: Final = 2_000
"""Characters of an error's message that are passed on."""
SPARE_BYTES: Final = 320 * 1024 * 1024
"""What this process itself needs of address space, before any program."""

_RECURSION, _LOOKUPS = 200, 1_000
_KILLED_WITHIN = 5.0
"""Seconds after which a process that waits to be killed leaves by itself."""
_SLEEP = "system.async_sleep"

Kind = Literal["error", "syntax", "wall", "memory", "output", "logs", "calls", "stopped", "crashed"]
"""Why a program did not end well; the first two are the program's own."""


class Ended(Exception):
    """The program is over, whatever it would like to do next."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind


class NotJsonError(ValueError):
    """A value that cannot leave the sandbox."""


@dataclass(slots=True)
class Order:
    """One program and its bounds: seconds of the monotonic clock, bytes, and how many calls."""

    code: str
    names: frozenset[str]
    deadline: float
    wall: float
    memory: int
    calls: int
    output: int
    logs: int


@dataclass(slots=True)
class Wire:
    """The two pipes to the parent."""

    held: Unframed = field(default_factory=Unframed)

    def send(self, text: bytes) -> None:
        """Write one text, all of it."""
        left = memoryview(framed(text))
        while left:
            left = left[os.write(1, left) :]

    def receive(self, until: float | None) -> dict[str, Any] | None:
        """The next message, or ``None`` when the time is over; raises ``EOFError`` when the parent is gone."""
        while (text := self.held.next()) is None:
            if not _readable(until):
                return None
            chunk = os.read(0, 1 << 16)
            if not chunk:
                raise EOFError
            self.held.feed(chunk)
        return json.loads(text)


def _readable(until: float | None) -> bool:
    wait = None if until is None else max(0.0, until - time.monotonic())
    return bool(select.select([0], [], [], wait)[0])


def bounded(value: Any, limit: int) -> str:
    """The value as compact JSON of at most ``limit`` bytes; raises ``NotJsonError`` for anything else."""
    parts: list[str] = []
    size = 0
    try:
        for part in _ENCODER.iterencode(value):
            size += len(part)
            if size > limit:
                raise NotJsonError(f"more than {limit} bytes of JSON")
            parts.append(part)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, NotJsonError) else NotJsonError(str(error)) from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except MemoryError:
        raise NotJsonError("too large") from None
    text = "".join(parts)
    if len(text.encode()) > limit:
        raise NotJsonError(f"more than {limit} bytes of JSON")
    if _deepest(text) > MAX_DEPTH:
        raise NotJsonError("nested too deeply")
    return text


def _deepest(text: str) -> int:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    return max(accumulate(_STEP.get(character, 0) for character in _STRING.sub("", text)))


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_STEP: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def _refuse(value: object) -> object:
    if callable(isoformat := getattr(value, "isoformat", None)):
        return isoformat()
    name = value.name if isinstance(value, monty.MontyClassProxy) else type(value).__name__
    raise NotJsonError(f"a value of type `{name}` is not JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse)


class Run:
    """One program on its way: what it asks for, what it waits for."""

    def __init__(self, wire: Wire, order: Order) -> None:
        self._wire, self._order = wire, order
        self._asked: dict[int, str] = {}
        self._settled: dict[int, Any] = {}
        self._sleeping: dict[int, float] = {}
        self._calls = 0
        self.logs: list[str] = []
        self._logged = 0

    def log(self, _stream: str, text: str) -> None:
        """What the program prints; too much of it ends the process, as nothing less stops a loop at once."""
        room = self._order.logs - self._logged
        self._logged += len(text.encode())
        self.logs.append(text if self._logged <= self._order.logs else text.encode()[:room].decode(errors="ignore"))
        if self._logged > self._order.logs:
            self._wire.send(_end(None, ("logs", f"it printed more than {self._order.logs} bytes", None), self.logs))
            time.sleep(_KILLED_WITHIN)
            os._exit(1)

    def drive(self, session: monty.MontySession) -> str:
        """Run it to its end; the JSON of its value."""
        snapshot = session.feed_start(self._order.code, print_callback=self.log)
        while not isinstance(snapshot, monty.MontyComplete):
            if isinstance(snapshot, monty.NameLookupSnapshot):
                snapshot = self._name(snapshot)
            elif isinstance(snapshot, monty.FunctionSnapshot):
                snapshot = self._function(snapshot)
            else:
                snapshot = snapshot.resume(self._wait(snapshot.pending_call_ids))
        value = snapshot.output
        if value is None:
            value = session.feed_run("result", external_lookup={"result": None})
        try:
            return bounded(value, self._order.output)
        except NotJsonError as error:
            raise Ended("output", f"its value cannot be returned: {error}") from None

    def _name(self, snapshot: monty.NameLookupSnapshot) -> monty.SyncSnapshot:
        if snapshot.object_id is None and snapshot.variable_name in self._order.names:
            return snapshot.resume(value=_named(snapshot.variable_name))
        return snapshot.resume()

    def _function(self, snapshot: monty.FunctionSnapshot) -> monty.SyncSnapshot:
        if snapshot.is_os_function:
            if snapshot.function_name != _SLEEP:
                return snapshot.resume_not_handled()
            seconds = snapshot.args[0] if snapshot.args else 0.0
            self._sleeping[snapshot.call_id] = time.monotonic() + max(0.0, float(seconds))
            return snapshot.resume({"future": ...})
        self._calls += 1
        if self._calls > self._order.calls:
            raise Ended("calls", f"it made more than {self._order.calls} calls")
        try:
            sent = bounded([list(snapshot.args), snapshot.kwargs], MAX_ARGUMENTS)
        except NotJsonError as error:
            message = f"the arguments of `{snapshot.function_name}` cannot be sent: {error}"
            return snapshot.resume({"exc_type": "TypeError", "message": message})
        name = json.dumps(snapshot.function_name)
        self._asked[snapshot.call_id] = f'{{"say":"call","call":{snapshot.call_id},"name":{name},"sent":{sent}}}'
        return snapshot.resume({"future": ...})

    def _wait(self, pending: list[int]) -> dict[int, Any]:
        """Send what was asked for, and wait until one of these is there."""
        for text in self._asked.values():
            self._wire.send(text.encode())
        self._asked.clear()
        while True:
            now = time.monotonic()
            for call, due in list(self._sleeping.items()):
                if due <= now:
                    del self._sleeping[call]
                    self._settled[call] = {"return_value": None}
            found = {call: self._settled.pop(call) for call in pending if call in self._settled}
            if found:
                return found
            if now >= self._order.deadline:
                raise Ended("wall", f"it took longer than {self._order.wall:g} seconds")
            self._take(self._wire.receive(min([self._order.deadline, *self._sleeping.values()])))

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            return
        if "stop" in message:
            raise Ended("stopped", message["stop"])
        if "error" in message:
            self._settled[message["settle"]] = {"exc_type": message["type"], "message": message["error"]}
        else:
            self._settled[message["settle"]] = {"return_value": message["value"]}


def _named(name: str) -> Callable[[], None]:
    def function() -> None: ...

    function.__name__ = name
    return function


Failure = tuple[Kind, str, int | None]
"""What went wrong, in words, and the line of the program."""


def _end(value: str | None, failure: Failure | None, logs: list[str]) -> bytes:
    told = None if failure is None else {"kind": failure[0], "message": failure[1], "line": failure[2]}
    rest = json.dumps({"error": told, "logs": "".join(logs)}, ensure_ascii=False)
    return f'{{"say":"end","value":{value or "null"},{rest[1:]}'.encode()


_LIMITS: Final[tuple[tuple[str, Kind], ...]] = (
    ("MemoryError: memory limit exceeded", "memory"),
    ("MemoryError: the worker exceeded its memory limit", "memory"),
    ("TimeoutError: feed time limit exceeded", "wall"),
    ("TimeoutError: sleep limit exceeded", "wall"),
    ("RuntimeError: suspension limit", "calls"),
)
"""How the interpreter's messages start where one of its limits ended a program."""


def _failure(error: monty.MontyError) -> Failure:
    """The interpreter's error as ours."""
    message = str(error)[:MAX_MESSAGE]
    if isinstance(error, monty.MontyCrashedError):
        return "crashed", "the sandbox broke down", None
    frames = error.traceback() if isinstance(error, (monty.MontyRuntimeError, monty.MontySyntaxError)) else []
    line = frames[-1].line if frames else None
    for start, kind in _LIMITS:
        if message.startswith(start):
            return kind, message, line
    return "syntax" if isinstance(error, monty.MontySyntaxError) else "error", message, line


def run(pool: monty.Monty, wire: Wire, order: Order, worker: int | None) -> None:
    """Run one program and say how it ended."""
    _bound(order.memory, worker)
    limits: monty.ResourceLimits = {
        "max_memory": order.memory,
        "max_feed_duration_secs": order.wall,
        "max_recursion_depth": _RECURSION,
        "max_suspensions": 3 * order.calls + _LOOKUPS,
        "max_total_sleep_secs": order.wall,
    }
    one = Run(wire, order)
    value, failure = None, None
    try:
        with pool.checkout(limits=limits) as session:
            value = one.drive(session)
    except Ended as ended:
        failure = (ended.kind, str(ended), None)
    except monty.MontyError as error:
        failure = _failure(error)
    except MemoryError:
        failure = ("memory", "it used more memory than it may", None)
    wire.send(_end(value, failure, one.logs))


def _bound(memory: int, worker: int | None) -> None:
    """Address space for the interpreter, whose own limit is the exact one, and for what this process makes of its values."""
    if not hasattr(resource, "prlimit"):
        return
    for process, most in ((0, SPARE_BYTES + 4 * memory), (worker, SPARE_BYTES + 2 * memory)):
        if process is not None:
            _, hard = resource.prlimit(process, resource.RLIMIT_AS)
            resource.prlimit(process, resource.RLIMIT_AS, (most, hard))


def _order(message: Mapping[str, Any]) -> Order:
    wall = message["wall"] / 1000
    return Order(
        code=message["run"],
        names=frozenset(message["names"]),
        deadline=time.monotonic() + wall,
        wall=wall,
        memory=message["memory"],
        calls=message["calls"],
        output=message["output"],
        logs=message["logs"],
    )


def interpreter() -> Path:
    """The sandbox's own executable, as its package was installed."""
    files = metadata.distribution("pydantic-monty-runtime").files or []
    return next(Path(str(file.locate())).resolve() for file in files if file.name == "monty")


_LAZY: Final = ("binascii", "csv", "dataclasses", "decimal", "json", "opentelemetry.context", "re", "tomllib", "uuid")
"""What the sandbox's client imports when it first needs it: there are no files by then."""
_WARM: Final = "import asyncio, datetime, json\nf = tool\n[datetime.date(2020, 1, 1), {'a': (1, 2.5, b'', None)}, {1}]"
"""Touches what programs use, before the first of them does."""


def _confine_before(executable: Path) -> list[str]:
    confine.die_with_parent()
    confine.limit(resource.RLIMIT_CORE, 0)
    confine.limit(resource.RLIMIT_FSIZE, 0)
    confine.limit(resource.RLIMIT_NOFILE, 64)
    kept = [("files", confine.drop_files(executable)), ("network", confine.drop_network())]
    return [name for name, done in kept if done]


def _confine_after(worker: int | None) -> list[str]:
    if worker is not None:
        confine.limit(resource.RLIMIT_NPROC, 0, worker)
        confine.limit(resource.RLIMIT_NOFILE, 0, worker)
    confine.limit(resource.RLIMIT_NOFILE, 3)
    confine.drop_files(None)
    return ["processes"] if confine.drop_processes() else []


def main() -> int:
    """Serve programs until standard input ends."""
    wire = Wire()
    executable = interpreter()
    for name in _LAZY:
        with suppress(ImportError):
            import_module(name)
    kept = _confine_before(executable)
    with monty.Monty(binary_path=executable, min_processes=1, max_processes=1) as pool:
        with pool.checkout() as session:
            session.feed_run(_WARM, external_lookup={"tool": _named("tool")})
            worker = session.worker_pid
        kept += _confine_after(worker)
        wire.send(json.dumps({"say": "ready", "confined": kept, "worker": worker}).encode())
        try:
            while (message := wire.receive(None)) is not None:
                if "run" in message:
                    run(pool, wire, _order(message), worker)
        except EOFError:
            return 0
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, monty.MontyError, StopIteration) as error:
        Wire().send(json.dumps({"say": "failed", "reason": f"{type(error).__name__}: {error}"}).encode())
        sys.exit(1)
