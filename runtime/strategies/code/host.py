"""The process that holds the sandbox: takes programs on standard input, relays their calls, gives nothing else away.

It imports nothing of the runtime, has no environment, and runs one program at a time; its parent decides every call and
kills it, with the interpreter that it holds, where it does not keep to a limit.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

import pydantic_monty as monty

from meshplan.runtime.strategies.code import confine
from meshplan.runtime.strategies.code.host_wire import Failure, Kind, Order, Wire, end_text, order_of
from meshplan.runtime.strategies.code.run import Ended, Run, named

MAX_MESSAGE: Final = 2_000
"""Characters of an error's message that are passed on."""
SPARE_BYTES: Final = 320 * 1024 * 1024
"""What this process itself needs of address space, before any program."""

_RECURSION, _LOOKUPS = 200, 1_000

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


def run_one(pool: monty.Monty, wire: Wire, order: Order, worker: int | None) -> None:
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
    wire.send(end_text(value, failure, one.logs))


def _bound(memory: int, worker: int | None) -> None:
    """Address space for the interpreter, whose own limit is the exact one, and for what this process makes of its values."""
    if not hasattr(resource, "prlimit"):
        return
    for process, most in ((0, SPARE_BYTES + 4 * memory), (worker, SPARE_BYTES + 2 * memory)):
        if process is not None:
            _, hard = resource.prlimit(process, resource.RLIMIT_AS)
            soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(process, resource.RLIMIT_AS, (soft, hard))


def interpreter() -> Path:
    """The sandbox's own executable, as its package was installed."""
    files = metadata.distribution("pydantic-monty-runtime").files or []
    return next(Path(str(file.locate())).resolve() for file in files if file.name == "monty")


_LAZY: Final = ("binascii", "csv", "dataclasses", "decimal", "json", "opentelemetry.context", "re", "tomllib", "uuid")
"""What the sandbox's client imports when it first needs it: there are no files by then."""
_WARM: Final = "import asyncio, datetime, json\nf = tool\n[datetime.date(2020, 1, 1), {'a': (1, 2.5, b'', None)}, {1}]"
"""Touches what programs use, before the first of them does."""


def _leave_with_parent() -> None:
    """When nobody holds the other end of standard input any more, end at once, with the interpreter."""
    watch = select.poll()
    watch.register(0, 0)
    watch.poll()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _confine_before(executable: Path) -> list[str]:
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
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with monty.Monty(binary_path=executable, min_processes=1, max_processes=1) as pool:
        with pool.checkout() as session:
            session.feed_run(_WARM, external_lookup={"tool": named("tool")})
            worker = session.worker_pid
        kept += _confine_after(worker)
        wire.send(json.dumps({"say": "ready", "confined": kept, "worker": worker}).encode())
        try:
            while (message := wire.receive(None)) is not None:
                if "run" in message:
                    run_one(pool, wire, order_of(message), worker)
        except EOFError:
            return 0
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, monty.MontyError, StopIteration) as error:
        Wire().send(json.dumps({"say": "failed", "reason": f"{type(error).__name__}: {error}"}).encode())
        sys.exit(1)
