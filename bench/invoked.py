"""Calls through the one way in with a ledger and an upstream in memory, for benchmarks of what is beside them."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime"))

import anyio
from plans import FakeUpstreams

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.bundle import Bundle

CALLERS = 32


async def calls(folder: Path, count: int, bundle: Bundle, result: dict[str, object] | bytes) -> float:
    """Microseconds of CPU a call of `get_note` by `ann`, all threads together, until everything is written."""
    active, upstreams = Active(), FakeUpstreams()

    async def answer(_: object) -> dict[str, object] | bytes:
        await anyio.lowlevel.checkpoint()
        return result

    upstreams.serve("notes", answer)
    book = Book(folder, active, lambda *_: None)
    book.prepare(bundle.plan)
    active.swap(Snapshot(bundle))
    invoker = Invoker(active, upstreams, lambda _: None, ledger=book)
    key = hashlib.sha256(b"secret-ann").hexdigest()
    caller = Caller(key, active.snapshot.keyring.principal(key, active.now))

    async def some(number: int) -> None:
        for _ in range(number):
            call = Call(endpoint="dev", caller=caller, era="modern", method="tools/call", params={"name": "get_note"})
            await invoker.invoke(call)

    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(some, count // CALLERS)
    await anyio.to_thread.run_sync(book.close)
    return (time.process_time() - began) / count * 1e6
