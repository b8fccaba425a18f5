"""A process whose files may have so many bytes: calls until some are refused, then room again; says how many there were of each."""

import json
import resource
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio
from plans import recorded, simple
from recording import recording

from meshplan.runtime.errors import RpcError

CALLERS = 8


async def main(folder, most):
    done = Counter()

    async def execute(_):
        done["executed"] += 1
        await anyio.lowlevel.checkpoint()
        return {"content": [], "resultType": "complete"}

    book, call = recording(folder, recorded(simple(), overflow="refuse", window_ms=20), execute)
    await call()
    await book.pen.written()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    async def calls():
        while done["refused"] < CALLERS:
            try:
                await call()
            except RpcError as error:
                done[error.data["reason"]] += 1
                done["refused"] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(calls)
    failing = book.failing
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await call()
    await book.pen.written()
    print(json.dumps({**done, "failing": failing, "then": book.failing}))
    book.close()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
