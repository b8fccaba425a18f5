"""Calls through the one way in with a ledger and an upstream in memory, for benchmarks of what is beside them."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime"))

import anyio
from recording import recording

from meshplan.runtime.app import GARBAGE
from meshplan.schemas.bundle import Bundle

CALLERS = 32


def run(measure: Callable[..., Awaitable[float]], *arguments: object) -> float:
    """What it measures, in an event loop and with a garbage collector as a runtime has."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    return anyio.run(measure, *arguments, backend_options={"use_uvloop": sys.platform != "win32"})


async def calls(folder: Path, count: int, bundle: Bundle, result: dict[str, object] | bytes) -> float:
    """Microseconds of CPU a call of `get_note` by `ann`, all threads together, until everything is written."""

    async def answer(_: object) -> dict[str, object] | bytes:
        await anyio.lowlevel.checkpoint()
        return result

    book, call = recording(folder, bundle, answer)

    async def some(number: int) -> None:
        for _ in range(number):
            await call()

    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(some, count // CALLERS)
    await anyio.to_thread.run_sync(book.close)
    return (time.process_time() - began) / count * 1e6
