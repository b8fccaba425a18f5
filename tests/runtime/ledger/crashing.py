"""A process to be killed: calls without end through an invoker with a ledger; each execution upstream is a line of stdout, with its time."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import anyio
from plans import recorded, simple
from recording import recording

CALLERS = 16


async def main(folder, durability):
    async def execute(request):
        trace = request.params["_meta"]["traceparent"].split("-")[1]
        os.write(1, f"{trace} {time.monotonic()}\n".encode())
        await anyio.lowlevel.checkpoint()
        return {"content": [], "resultType": "complete"}

    _, call = recording(folder, recorded(simple(), durability=durability), execute)

    async def calls():
        while True:
            await call(_meta={"traceparent": f"00-{os.urandom(16).hex()}-b7ad6b7169203331-01"})

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(calls)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
