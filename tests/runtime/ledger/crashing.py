"""A process to be killed: calls without end through an invoker with a ledger; each execution upstream is a line of stdout, with its time."""

import hashlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio
from plans import FakeUpstreams, recorded, simple

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot

CALLERS = 16


async def main(folder, durability):
    bundle, active, upstreams = recorded(simple(), durability=durability), Active(), FakeUpstreams()

    async def execute(request):
        trace = request.params["_meta"]["traceparent"].split("-")[1]
        os.write(1, f"{trace} {time.monotonic()}\n".encode())
        await anyio.lowlevel.checkpoint()
        return {"content": [], "resultType": "complete"}

    upstreams.serve("notes", execute)
    book = Book(folder, active, lambda *_: None)
    book.prepare(bundle.plan)
    active.swap(Snapshot(bundle))
    invoker = Invoker(active, upstreams, lambda _: None, ledger=book)
    key = hashlib.sha256(b"secret-ann").hexdigest()
    caller = Caller(key, active.snapshot.keyring.principal(key, active.now))

    async def call():
        while True:
            meta = {"traceparent": f"00-{os.urandom(16).hex()}-b7ad6b7169203331-01"}
            params = {"name": "get_note", "_meta": meta}
            await invoker.invoke(Call(endpoint="dev", caller=caller, era="modern", method="tools/call", params=params))

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(call)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
