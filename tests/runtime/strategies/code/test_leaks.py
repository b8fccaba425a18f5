"""What is left after many programs: nothing; `bench/sandbox.py` runs a thousand."""

import os
import subprocess
import sys
import time

import anyio
from left_over import about, held_open, processes_of

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


DYING = """
import anyio, os, signal
from meshplan.runtime.strategies.code import program
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.schemas.plan import Code

async def ask(function, arguments):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with open_sandboxes(print) as several:
        async with several.one() as sandbox:
            print(sandbox.process.pid, sandbox.worker, flush=True)
        code = "import asyncio\\nasync def spin():\\n  await g()\\n  while True: pass\\nawait asyncio.gather(f(), spin())"
        bounds = Code(wall_ms=200_000, memory_bytes=1 << 25, calls=5, output_bytes=1000, logs_bytes=1000)
        await program.run(several, code, (), bounds, ask)

anyio.run(main)
"""


def test_a_runtime_that_is_killed_takes_its_programs_with_it():
    done = subprocess.run([sys.executable, "-c", DYING], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -9, done.stderr
    left = [int(word) for word in done.stdout.split()]
    end = time.monotonic() + 30
    while any(running(process) for process in left) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(running(process) for process in left)


def running(process):
    try:
        return about(process, "stat").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
