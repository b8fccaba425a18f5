"""What no program can do to the runtime: every attack ends in time with a plain answer, and nothing is left of it."""

import gc
import os
import subprocess
import sys
import time

import anyio
import msgspec
import pytest
from hostile_programs import ATTACKS
from left_over import about, held_open

from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.code import pool, program
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.schemas.plan import Code

BOUNDS = Code(wall_ms=700, memory_bytes=32 << 20, calls=50, output_bytes=50_000, logs_bytes=5_000)
PATIENT = BOUNDS.model_copy(update={"wall_ms": 30_000})
"""For programs that another bound ends, however slow the machine is."""
SLACK = 5.0
"""Seconds beyond the wall clock on a machine that does other things; `bench/sandbox.py` measures how many it takes."""


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def sandboxes(anyio_backend):
    async with open_sandboxes(print) as several:
        yield several


async def ask(function, arguments):
    """A function that answers, and one that never does."""
    if function == "hang":
        await anyio.sleep_forever()
    return len(arguments)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_every_attack_ends_with_a_plain_answer(sandboxes, attack):
    bounds = BOUNDS if "wall" in attack.ends else PATIENT
    began = time.monotonic()
    ending = await program.run(sandboxes, attack.code, ("f", "hang"), bounds, ask)
    assert ending.kind in attack.ends, (ending.kind, ending.message[:200])
    assert len(ending.message) <= 2_100
    assert len(ending.logs.encode()) <= BOUNDS.logs_bytes
    assert len(ending.calls) <= BOUNDS.calls
    assert time.monotonic() - began < bounds.wall_ms / 1000 + SLACK


async def test_the_next_program_runs_after_each_kind_of_end(sandboxes):
    for code in ("while True: pass", "1/0", "while True: print('x')", "x = []\nwhile True: x.append('a' * 1000000)"):
        await program.run(sandboxes, code, (), BOUNDS, ask)
        ending = await program.run(sandboxes, "1 + 1", (), PATIENT, ask)
        assert (ending.kind, bytes(ending.value)) == (None, b"2")


async def test_nothing_of_one_program_is_there_for_the_next(sandboxes):
    await program.run(sandboxes, "secret = 5\nimport json\njson.x = 1", (), BOUNDS, ask)
    ending = await program.run(sandboxes, "secret", (), PATIENT, ask)
    assert "NameError" in ending.message


@pytest.mark.parametrize("reason", ["over_budget", "rate_limited"])
async def test_a_spent_budget_ends_the_program_whatever_it_catches(sandboxes, reason):
    made = 0

    async def spend(function, arguments):
        nonlocal made
        made += 1
        if made > 2:
            raise RpcError(-31008, "budget `team-month` is spent", {"reason": reason})
        return made

    code = "while True:\n  try:\n    print(await f())\n  except BaseException:\n    pass"
    ending = await program.run(sandboxes, code, ("f",), PATIENT, spend)
    assert (ending.kind, ending.message) == ("budget", "f: budget `team-month` is spent")
    assert (ending.logs, len(ending.calls)) == ("1\n2\n", 3)
    assert [call.error is None for call in ending.calls] == [True, True, False]


async def test_a_spent_budget_ends_what_never_looks(sandboxes):
    async def spend(function, arguments):
        if function == "g":
            return 1
        await anyio.sleep(0.05)
        raise RpcError(-31008, "budget `team-month` is spent", {"reason": "over_budget"})

    code = "import asyncio\nasync def spin():\n  await g()\n  while True: pass\nawait asyncio.gather(f(), spin())"
    bounds = BOUNDS.model_copy(update={"wall_ms": 60_000})
    began = time.monotonic()
    ending = await program.run(sandboxes, code, ("f", "g"), bounds, spend)
    assert (ending.kind, ending.message) == ("budget", "f: budget `team-month` is spent")
    assert time.monotonic() - began < 30


async def test_an_answer_that_comes_late_is_for_no_other_program(sandboxes):
    async def late(function, arguments):
        return msgspec.Raw(b'"of the first"')

    for _ in range(20):
        first = await program.run(
            sandboxes, "f()\ng()\nimport asyncio\nawait asyncio.sleep(0.001)\n1", ("f",), PATIENT, late
        )
        assert first.kind is None
        second = await program.run(sandboxes, "await hang()", ("hang",), BOUNDS.model_copy(update={"wall_ms": 60}), ask)
        assert (second.kind, bytes(second.value)) == ("wall", b"null")
        third = await program.run(sandboxes, "await f(x=1)", ("f",), PATIENT, ask)
        assert bytes(third.value) == b"1"


async def test_the_event_loop_goes_on_meanwhile(sandboxes):
    """Far above what `bench/sandbox.py` measures: what this thread does itself between two turns of the loop."""
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            began = time.thread_time()
            await anyio.sleep(0.001)
            longest = max(longest, time.thread_time() - began)

    # The tests' own objects, of which there are millions by now, are not for the collector to look through.
    gc.freeze()
    bounds = BOUNDS.model_copy(update={"output_bytes": 1 << 20, "logs_bytes": 256 << 10, "memory_bytes": 128 << 20})
    heavy = (
        "[0] * 500000",
        "await f(x=[[]] * 300000)",
        "for i in range(240): print('\\0' * 1000)",
        "while True: print('x' * 9)",
    )
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        for code in heavy:
            await program.run(sandboxes, code, ("f",), bounds, ask)
        group.cancel_scope.cancel()
    gc.unfreeze()
    assert longest < 0.5


async def test_the_wall_clock_counts_what_calls_take(sandboxes):
    async def slow(function, arguments):
        await anyio.sleep(0.5)

    began = time.monotonic()
    ending = await program.run(sandboxes, "for i in range(9):\n  await f()", ("f",), BOUNDS, slow)
    assert ending.kind == "wall"
    assert time.monotonic() - began < BOUNDS.wall_ms / 1000 + SLACK


async def test_it_sees_no_environment_and_holds_nothing_open(sandboxes):
    async with sandboxes.one() as sandbox:
        for process in (sandbox.process.pid, sandbox.worker):
            assert about(process, "environ") == ""
        assert len(held_open(sandbox.worker)) == 3
        assert all(name.startswith("pipe:") or name == "/dev/null" for name in held_open(sandbox.worker))


def can_drop():
    """What this system lets a process give up."""
    code = (
        "from meshplan.runtime.strategies.code import confine\n"
        "print(*[n for n in ('files', 'network', 'processes')"
        " if (confine.drop_files(None) if n == 'files' else getattr(confine, 'drop_' + n)())])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return tuple(done.stdout.split())


async def test_it_is_confined_as_far_as_the_system_can(sandboxes):
    can = await anyio.to_thread.run_sync(can_drop)
    async with sandboxes.one() as sandbox:
        assert sandbox.confined == can
        if "network" in can:
            assert "Seccomp:\t2" in about(sandbox.worker, "status")
            assert "NoNewPrivs:\t1" in about(sandbox.worker, "status")
        limits = about(sandbox.worker, "limits")
        for name in ("Max file size", "Max core file size", "Max processes", "Max open files"):
            (line,) = [line for line in limits.splitlines() if line.startswith(name)]
            assert line.removeprefix(name).split()[:2] == ["0", "0"]


async def test_a_sandbox_that_does_not_start_is_said_to_operators_only(monkeypatch):
    said = []
    monkeypatch.setattr(pool, "_HOST", "meshplan.runtime.strategies.code.nowhere")
    async with open_sandboxes(lambda event, members: said.append((event, members))) as several:
        with pytest.raises(pool.SandboxError) as found:
            await program.run(several, "1", (), BOUNDS, ask)
    assert str(found.value) == "the sandbox does not start"
    assert said[0] == ("sandbox_failed", {"reason": "it was not ready within 15 s, or died"})


async def test_programs_wait_for_their_turn(monkeypatch):
    monkeypatch.setattr(pool, "WAIT", 0.05)
    async with open_sandboxes(print, 1) as one, one.one():
        with pytest.raises(pool.SandboxError, match="too many programs"):
            await program.run(one, "1", (), BOUNDS, ask)


async def test_nobody_takes_the_last_place(monkeypatch):
    monkeypatch.setattr(pool, "WAIT", 0.2)
    async with open_sandboxes(print, 2) as two, two.one("ann"):
        with pytest.raises(pool.SandboxError, match="too many programs"):
            await program.run(two, "1", (), BOUNDS, ask, owner="ann")
        assert bytes((await program.run(two, "1", (), PATIENT, ask, owner="bob")).value) == b"1"


async def test_a_process_that_dies_is_a_plain_answer(sandboxes):
    async def die(function, arguments):
        os.kill(worker[0], 9)
        return 1

    async with sandboxes.one() as sandbox:
        worker = [sandbox.worker]
    ending = await program.run(sandboxes, "await f()\n1", ("f",), PATIENT, die)
    assert ending.kind in ("crashed", "memory")
    assert bytes((await program.run(sandboxes, "1", (), PATIENT, ask)).value) == b"1"
