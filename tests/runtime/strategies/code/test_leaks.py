"""What is left after many programs: nothing; `bench/sandbox.py` runs a thousand."""

import os

import anyio
from left_over import held_open, processes_of

from meshplan.runtime.strategies.code import program
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.schemas.plan import Code

BOUNDS = Code(wall_ms=300, memory_bytes=32 << 20, calls=50, output_bytes=50_000, logs_bytes=5_000)
PROGRAMS = (
    "1",
    "1/0",
    "while True: print('x')",
    "await f()",
    "await hang()",
    "x = []\nwhile True: x.append('a' * 1000000)",
)


async def ask(function, arguments):
    if function == "hang":
        await anyio.sleep_forever()


async def test_runs_leave_nothing_behind():
    before = set(processes_of(os.getpid()))
    descriptors = len(held_open(os.getpid()))
    async with open_sandboxes(print) as several:
        for code in PROGRAMS * 3:
            await program.run(several, code, ("f", "hang"), BOUNDS, ask)
        assert len(set(processes_of(os.getpid())) - before) <= 2 * 2
    assert set(processes_of(os.getpid())) <= before
    assert len(held_open(os.getpid())) <= descriptors
