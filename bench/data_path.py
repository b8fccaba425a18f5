"""`make bench-data`: calls and lists through the mesh, nginx, FastMCP and mcp-hub, beside the server itself.

Every round measures every target once, in an order that rotates, so that ratios are taken within one round on one machine.
What is not installed is left out, and the output says so. `--full` makes more calls and installs FastMCP and mcp-hub.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import uvloop
from data_load import Make, Measured, cpu_seconds, listing, load, resident_mib
from data_peers import BUILD, HERE, HUB, PROXY, Target, fastmcp, free_port, hub, nginx, over_http, process
from data_plan import KEY, plan

SERVERS, TOOLS, RULES = 50, 10, 500
AT_ONCE = (1, 32)
LISTS = 20
CORES = len(os.sched_getaffinity(0))
SPREAD = f"mesh, modern, {CORES} workers"
PATIENCE = 600.0
"""Seconds for one target's share of one round, and for a first list."""


def free_range(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    for first in range(20_000, 32_000, count):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise RuntimeError(f"no {count} free ports in a row")


async def first_list(make: Make, wanted: int) -> None:
    """Until the target lists as many tools."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError, KeyError, ValueError, asyncio.IncompleteReadError):
                if (await listing(make, rounds=1))[0] >= wanted:
                    return
            await asyncio.sleep(0.02)


def serve(path: Path, port: int, workers: int) -> tuple[str, ...]:
    what = ("serve", "--plan", str(path), "--listen", f"127.0.0.1:{port}", "--workers", str(workers))
    return (sys.executable, "-m", "meshplan.runtime", *what)


def mesh(
    stack: contextlib.ExitStack, base: int, name: str, servers: int, rules: int, *, workers: int = 1
) -> tuple[str, int]:
    """Start one; its URL and process."""
    port, path = free_port(), BUILD / f"{name}.json"
    path.write_text(plan(base, servers, TOOLS, rules))
    return f"http://127.0.0.1:{port}/mcp/all", stack.enter_context(process(*serve(path, port, workers))).pid


@dataclass
class Run:
    """Everything that was measured; starts in seconds, lists as ``data_load.listing`` gives them."""

    calls: dict[tuple[str, int], list[Measured]] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    lists: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    cold: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self, one: str, other: str, at_once: int, of: Callable[[Measured], float]) -> float | None:
        """The median over the rounds of how many times ``other``'s figure ``one``'s is."""
        pairs = zip(self.calls.get((one, at_once), ()), self.calls.get((other, at_once), ()), strict=False)
        found = [of(a) / of(b) for a, b in pairs]
        return statistics.median(found) if found else None

    def least_cpu(self, name: str) -> float:
        return min(one.cpu for one in self.calls[name, 32])


async def started(run: Run, target: Target | None, begun: float) -> list[Target]:
    """Wait until it lists everything; what cannot be started is said and left out."""
    if target is None:
        return []
    try:
        await first_list(target.make, SERVERS * TOOLS)
    except TimeoutError:
        print(f"{target.name}: left out, it did not list its tools within {PATIENCE:g} s")
        return []
    run.starts[target.name] = time.monotonic() - begun
    return [target]


async def targets(stack: contextlib.ExitStack, run: Run, base: int, upstream: int, *, full: bool) -> list[Target]:
    direct = f"http://127.0.0.1:{base + 7}/mcp"
    found = [Target(f"direct, {era}", over_http(direct, modern=era == "modern"), "echo", upstream, tools=False)
             for era in ("modern", "legacy")]  # fmt: skip
    if (plain := nginx(stack, base + 7)) is not None:
        found.append(plain)
    begun = time.monotonic()
    url, pid = mesh(stack, base, "plan", SERVERS, RULES)
    modern = Target("mesh, modern", over_http(url, modern=True, key=KEY), "s07_echo", pid)
    found += await started(run, modern, begun)
    found.append(Target("mesh, legacy", over_http(url, modern=False, key=KEY), "s07_echo", pid, tools=False))
    url, pid = mesh(stack, base, "workers", SERVERS, RULES, workers=CORES)
    spread = Target(SPREAD, over_http(url, modern=True, key=KEY), "s07_echo", pid, tools=False)
    await first_list(spread.make, SERVERS * TOOLS)
    found.append(spread)
    url, pid = mesh(stack, base + SERVERS, "older", 1, RULES)
    older = Target(
        "mesh, modern, to a legacy server",
        over_http(url, modern=True, key=KEY),
        "s00_echo",
        pid,
        tools=False,
        slow=True,
    )
    await first_list(older.make, TOOLS)
    found.append(older)
    for peer in (fastmcp, hub):
        begun = time.monotonic()
        found += await started(run, peer(stack, base, SERVERS, install=full), begun)
    return found


async def cold_start(run: Run) -> None:
    """From the start of a process to the first list, with every server down."""
    with contextlib.ExitStack() as stack:
        begun = time.monotonic()
        url, pid = mesh(stack, free_range(SERVERS), "down", SERVERS, RULES)
        await first_list(over_http(url, modern=True, key=KEY), SERVERS * TOOLS)
        run.cold.append((time.monotonic() - begun, cpu_seconds(pid)))


async def one_round(run: Run, found: list[Target], calls: int) -> None:
    for target in found:
        share = max(64, calls // 10) if target.slow else calls
        for at_once in AT_ONCE:
            try:
                async with asyncio.timeout(PATIENCE):
                    one = await load(target.make, tool=target.tool, calls=share, concurrency=at_once, pid=target.pid)
            except (OSError, RuntimeError, TimeoutError, asyncio.IncompleteReadError) as error:
                raise SystemExit(f"{target.name}, {at_once} at once: {type(error).__name__}: {error}") from None
            run.calls.setdefault((target.name, at_once), []).append(one)


async def measure(*, full: bool) -> Run:
    calls, rounds, base, run = *((3000, 5) if full else (400, 3)), free_range(SERVERS + 1), Run()
    with contextlib.ExitStack() as stack:
        argv = (sys.executable, str(HERE / "data_upstream.py"), "--base-port", str(base), "--servers", str(SERVERS))
        upstream = stack.enter_context(process(*argv, "--tools", str(TOOLS), "--older", read=True))
        assert upstream.stdout is not None
        upstream.stdout.readline()
        found = await targets(stack, run, base, upstream.pid, full=full)
        for number in range(rounds):
            begun = time.monotonic()
            await one_round(run, found[number % len(found) :] + found[: number % len(found)], calls)
            print(f"round {number + 1} of {rounds}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        for target in [one for one in found if one.tools]:
            async with asyncio.timeout(PATIENCE):
                run.lists[target.name] = await listing(target.make, rounds=LISTS, pid=target.pid)
            run.memory[target.name] = resident_mib(target.pid or 0)
    for _ in range(3):
        await cold_start(run)
    return run


def show(run: Run) -> None:
    """Every target's figures: medians of the rounds, the least CPU."""
    print(f"\n{'calls of a 32-byte echo':<36}{'at once':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}")
    for (name, at_once), several in run.calls.items():
        rate, p50, p99 = (statistics.median(getattr(one, of) for one in several) for of in ("rate", "p50", "p99"))
        cpu = min(one.cpu for one in several) * 1000
        print(f"{name:<36}{at_once:>8}{rate:>10.0f}{p50:>9.2f}{p99:>9.2f}{cpu:>9.0f}")
    print(f"\n{f'{SERVERS} servers of {TOOLS} tools':<36}{'first list s':>13}{'list ms':>9}{'CPU ms':>9}{'MiB':>6}")
    for name, (_, middle, cpu) in run.lists.items():
        print(f"{name:<36}{run.starts[name]:>13.2f}{middle:>9.2f}{cpu:>9.2f}{run.memory[name]:>6.0f}")


def judge(run: Run) -> None:
    """The targets of the data path, each beside what was measured."""
    ours = run.calls["mesh, modern", 1], run.calls["direct, modern", 1]
    added = statistics.median(mesh.p50 - direct.p50 for mesh, direct in zip(*ours, strict=True))
    cold, rate, cpu = min(run.cold), attrgetter("rate"), attrgetter("cpu")
    rows: list[tuple[str, float | None, str, str]] = [
        ("CPU of a governed modern call, µs", run.least_cpu("mesh, modern") * 1000, "<=", "250"),
        ("  times that of the server alone", run.ratio("mesh, modern", "direct, modern", 32, cpu), "", ""),
        ("CPU of a call in a session, ms", run.least_cpu("mesh, legacy"), "<=", "1.2"),
        ("CPU of a call through the SDK, ms", run.least_cpu("mesh, modern, to a legacy server"), "<=", "3"),
        ("p50 added, one at a time, ms", added, "<=", "0.6"),
        ("calls/s, times mcp-hub's", run.ratio("mesh, modern", HUB, 32, rate), ">=", "5"),
        (f"  with {CORES} workers", run.ratio(SPREAD, HUB, 32, rate), "", ""),
        ("  mcp-hub's CPU, times ours", run.ratio(HUB, "mesh, modern", 32, cpu), "", ""),
        ("calls/s in a session, times FastMCP's", run.ratio("mesh, legacy", PROXY, 32, rate), ">=", "25"),
        ("  FastMCP's CPU, times ours", run.ratio(PROXY, "mesh, legacy", 32, cpu), "", ""),
        ("list of 500 tools, ms", run.lists["mesh, modern"][1], "<=", "2"),
        ("memory with 50 servers, MiB", run.memory["mesh, modern"], "<=", "150"),
        ("first list, all servers down, s", cold[0], "<=", "1.5"),
        ("  CPU of that, s", cold[1], "", ""),
    ]  # fmt: skip
    print(f"\n{'at 32 at once where nothing else is said':<44}{'measured':>9}{'target':>9}")
    for what, value, sign, target in rows:
        kept = value is not None and (not sign or (value <= float(target) if sign == "<=" else value >= float(target)))
        shown = "-" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
        print(
            f"{what:<44}{shown:>9}{f'{sign} {target}':>9}  {'' if kept else 'not measured' if value is None else 'MISSED'}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    BUILD.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    run = uvloop.run(measure(full=parser.parse_args().full))
    show(run)
    judge(run)


if __name__ == "__main__":
    main()
