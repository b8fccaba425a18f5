"""`make bench-sandbox`: how exactly programs are held to their bounds, whether the event loop stalls, and what stays behind."""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime/strategies/code"))

import anyio
from hostile_programs import ATTACKS
from left_over import about, held_open, processes_of

from meshplan.runtime.strategies.code import program
from meshplan.runtime.strategies.code.pool import Sandboxes, open_sandboxes, start
from meshplan.schemas.plan import Code

BOUNDS = Code(wall_ms=1_000, memory_bytes=64 << 20, calls=100, output_bytes=1 << 20, logs_bytes=256 << 10)
OVER, STALL = 0.25, 0.05
"""Seconds beyond its wall clock that a program may last, and that the event loop may be busy with it at a time."""
TICK = 0.002


async def ask(function: str, _: object) -> object:
    """A function that answers, and one that never does."""
    if function == "hang":
        await anyio.sleep_forever()
    return {"items": [1, 2, 3]}


class Stalls:
    """The longest time between two turns of the event loop: by the clock, and by what this thread did itself."""

    def __init__(self) -> None:
        self.clock = self.own = 0.0

    async def watch(self) -> None:
        """Tick until cancelled."""
        while True:
            clock, own = time.perf_counter(), time.thread_time()
            await anyio.sleep(TICK)
            self.clock = max(self.clock, time.perf_counter() - clock - TICK)
            self.own = max(self.own, time.thread_time() - own)


async def watched(work: Callable[[], Awaitable[None]]) -> Stalls:
    """The stalls while something runs."""
    stalls = Stalls()
    async with anyio.create_task_group() as group:
        group.start_soon(stalls.watch)
        await work()
        group.cancel_scope.cancel()
    return stalls


async def attacks(sandboxes: Sandboxes) -> bool:
    """Every hostile program, each in a process that is ready."""
    print(f"{'program':36}{'ends by':>10}{'seconds':>9}{'over cap':>10}{'loop stall ms':>15}{'its own CPU':>13}")
    worst = Stalls()
    late = 0.0
    for attack in ATTACKS:
        while not sandboxes.resting:
            await program.run(sandboxes, "1", (), BOUNDS, ask)
            await anyio.sleep(0.05)
        ending, took = program.Ending(), 0.0

        async def one(code: str = attack.code) -> None:
            nonlocal ending, took
            began = time.perf_counter()
            ending = await program.run(sandboxes, code, ("f", "hang"), BOUNDS, ask)
            took = time.perf_counter() - began

        stalls = await watched(one)
        over = took - BOUNDS.wall_ms / 1000
        late, worst.clock, worst.own = max(late, over), max(worst.clock, stalls.clock), max(worst.own, stalls.own)
        shown = f"{over:+.3f}" if over > 0 else "within"
        kind = ending.kind or "its value"
        print(
            f"{attack.name:36}{kind:>10}{took:9.3f}{shown:>10}{1e3 * stalls.clock:15.1f}{1e3 * stalls.own:13.1f}",
            flush=True,
        )
        if ending.kind not in attack.ends:
            print(f"  unexpected: {ending.kind}: {ending.message[:200]}")
            return False
    print(
        f"worst: {1e3 * late:.0f} ms beyond the cap (bound {1e3 * OVER:.0f}); the loop stalled {1e3 * worst.clock:.1f} ms, "
        f"{1e3 * worst.own:.1f} ms of them its own doing (bound {1e3 * STALL:.0f})"
    )
    return late <= OVER and worst.own <= STALL


def resident(process: int) -> float:
    """MiB that a process holds."""
    return int(about(process, "statm").split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)


async def many(count: int) -> bool:
    """A thousand programs, one in ten of them hostile, and what this process holds before and after."""
    short = BOUNDS.model_copy(update={"wall_ms": 100, "memory_bytes": 32 << 20})
    hostile = [
        "while True: print('x' * 1000)",
        "x = []\nwhile True: x.append('a' * 1000000)",
        "await hang()",
        "while True: pass",
        "import asyncio\nawait asyncio.gather(*[f(i=i) for i in range(1000)])",
    ]
    good = "import asyncio\nlen(await asyncio.gather(*[f(i=i) for i in range(5)]))"
    before = set(processes_of(os.getpid()))
    descriptors, sizes = len(held_open(os.getpid())), list[float]()
    async with open_sandboxes(print) as sandboxes:
        for number in range(count):
            code = hostile[number // 10 % len(hostile)] if number % 10 == 0 else good
            await program.run(sandboxes, code, ("f", "hang"), short, ask)
            if number % (count // 10) == 0:
                gc.collect()
                sizes.append(resident(os.getpid()))
        below = processes_of(os.getpid())
        held = sum(resident(process) for process in below)
        print(f"{count:,} programs: {len(below)} processes at rest hold {held:.0f} MiB")
    gc.collect()
    left = set(processes_of(os.getpid())) - before
    more = len(held_open(os.getpid())) - descriptors
    print(
        f"  this process held {sizes[1]:.1f} MiB after a tenth and {sizes[-1]:.1f} MiB in the end; "
        f"{len(left)} processes and {more} descriptors are left"
    )
    return not left and more <= 0 and sizes[-1] <= sizes[1] + 8


async def costs(sandboxes: Sandboxes, count: int) -> None:
    """What a program costs that means well."""
    starts: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        sandbox = await start()
        starts.append(time.perf_counter() - began)
        await sandbox.end()

    async def timed(code: str) -> float:
        took: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            ending = await program.run(sandboxes, code, ("f",), BOUNDS, ask)
            assert ending.kind is None, ending.message
            took.append(time.perf_counter() - began)
        return 1e3 * statistics.median(took)

    empty, fifty = await timed("1"), await timed("for i in range(50): await f(i=i)")
    print(
        f"a process starts in {1e3 * min(starts):.0f} ms; a program takes {empty:.2f} ms, "
        f"each call of it {1e3 * (fifty - empty) / 50:.0f} µs (medians of {count})"
    )


async def main(count: int) -> int:
    """Everything; the exit code says whether all was within bounds."""
    async with open_sandboxes(print) as sandboxes:
        await program.run(sandboxes, "1", (), BOUNDS, ask)
        kept = sandboxes.resting[0].confined
        print(f"confined: {', '.join(kept) or 'no'}")
        await costs(sandboxes, 30)
        held = await attacks(sandboxes)
    clean = await many(count)
    print("within bounds" if held and clean else "NOT within bounds")
    return 0 if held and clean else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1_000)
    sys.exit(anyio.run(main, parser.parse_args().programs, backend_options={"use_uvloop": True}))
