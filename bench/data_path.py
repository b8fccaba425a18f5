"""`make bench-data`: one call and one list through the mesh, nginx, FastMCP and mcp-hub, beside the server itself.

Every round measures every target once, so that ratios are taken within one run on one machine. What is not installed
is left out, and the table says so. `--full` makes more calls and installs FastMCP into a venv of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_load import Measured, cpu_seconds, listing, load, resident_mib
from data_plan import KEY, plan

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench-data"
SERVERS, TOOLS, RULES = 50, 10, 500

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream one {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://one; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  }} }}
}}
"""
FASTMCP = """
import asyncio, sys
from fastmcp import Client, FastMCP
from fastmcp.server import create_proxy
async def main(port, base, servers):
    main = FastMCP("bench")
    for n in range(servers):
        client = Client(f"http://127.0.0.1:{base + n}/mcp")
        await client.__aenter__()
        main.mount(create_proxy(client, name=f"s{n:02d}"), namespace=f"s{n:02d}")
    await main.run_http_async(host="127.0.0.1", port=port, path="/mcp", show_banner=False, log_level="error")
asyncio.run(main(*map(int, sys.argv[1:])))
"""


@dataclass
class Target:
    """One thing that is measured; ``tools`` says whether it lists those of all servers."""

    name: str
    url: str
    tool: str
    modern: bool
    pid: int | None = None
    key: str | None = None
    tools: bool = True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def free_range(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    for first in range(20_000, 32_000, count):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise RuntimeError(f"no {count} free ports in a row")


@contextlib.contextmanager
def process(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    found = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(BUILD / "log").open("ab"))
    try:
        yield found
    finally:
        found.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            found.wait(10)
        if found.poll() is None:
            found.kill()


async def first_list(url: str, key: str | None, modern: bool, seconds: float) -> int:
    """The number of tools once the target lists any; raises after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return (await listing(url, modern=modern, key=key, rounds=1))[0]
        except (OSError, KeyError, ValueError, asyncio.IncompleteReadError):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{url} did not list anything within {seconds:g} s") from None
            await asyncio.sleep(0.02)


def serve(path: Path, port: int) -> tuple[str, ...]:
    return (sys.executable, "-m", "meshplan.runtime", "serve", "--plan", str(path), "--listen", f"127.0.0.1:{port}")


async def cold_start() -> tuple[float, float, float]:
    """From the start of the process to the first list, with every server down: seconds, those of CPU, and MiB then."""
    port, path = free_port(), BUILD / "down.json"
    path.write_text(plan(free_range(SERVERS), SERVERS, TOOLS, RULES))
    begun = time.monotonic()
    with process(*serve(path, port)) as found:
        await first_list(f"http://127.0.0.1:{port}/mcp/all", KEY, True, 60)
        return time.monotonic() - begun, cpu_seconds(found.pid), resident_mib(found.pid)


def fastmcp_python(*, install: bool) -> Path | None:
    venv = BUILD / "fastmcp"
    python = venv / "bin" / "python"
    if not python.exists() and install:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "fastmcp"], check=False)
    known = python.exists() and subprocess.run([str(python), "-c", "import fastmcp"], check=False).returncode == 0
    return python if known else None


async def targets(stack: contextlib.ExitStack, base: int, upstream: int, *, full: bool) -> list[Target]:
    found = [Target(f"direct, {era}", f"http://127.0.0.1:{base + 7}/mcp", "echo", era == "modern", upstream, tools=False)
             for era in ("modern", "legacy")]  # fmt: skip
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        print("nginx: left out, it is not installed (apt-get install nginx-light)")
    else:
        port = free_port()
        (BUILD / "nginx.conf").write_text(NGINX.format(folder=BUILD, upstream=base + 7, port=port))
        pid = stack.enter_context(process(nginx, "-p", str(BUILD), "-c", str(BUILD / "nginx.conf"))).pid
        found.append(Target("nginx, modern", f"http://127.0.0.1:{port}/mcp", "echo", True, pid, tools=False))
    port, path = free_port(), BUILD / "plan.json"
    path.write_text(plan(base, SERVERS, TOOLS, RULES))
    pid = stack.enter_context(process(*serve(path, port))).pid
    url = f"http://127.0.0.1:{port}/mcp/all"
    await first_list(url, KEY, True, 60)
    found += [Target(f"mesh, {era}", url, "s07_echo", era == "modern", pid, KEY) for era in ("modern", "legacy")]
    python = fastmcp_python(install=full)
    if python is None:
        print("FastMCP: left out, it is not installed (`--full` installs it)")
    else:
        port = free_port()
        pid = stack.enter_context(process(str(python), "-c", FASTMCP, str(port), str(base), str(SERVERS))).pid
        target = Target("FastMCP, connected clients, legacy", f"http://127.0.0.1:{port}/mcp", "s07_echo", False, pid)
        await first_list(target.url, None, False, 120)
        found.append(target)
    print("mcp-hub: left out, it speaks only the HTTP+SSE transport of 2024-11-05, which this load client does not")
    return found


async def measure(*, full: bool) -> None:
    calls, rounds, base = *((4000, 5) if full else (400, 2)), free_range(SERVERS)
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(
            process(sys.executable, str(HERE / "data_upstream.py"), "--base-port", str(base),
                    "--servers", str(SERVERS), "--tools", str(TOOLS))
        )  # fmt: skip
        assert upstream.stdout is not None
        upstream.stdout.readline()
        found = await targets(stack, base, upstream.pid, full=full)
        results: dict[tuple[str, int], list[Measured]] = {}
        for number in range(rounds):
            for target in found[number % len(found) :] + found[: number % len(found)]:
                for concurrency in (1, 32):
                    share = max(64, calls // 10) if "FastMCP" in target.name else calls
                    one = await load(target.url, modern=target.modern, key=target.key, tool=target.tool, calls=share,
                                     concurrency=concurrency, pid=target.pid)  # fmt: skip
                    results.setdefault((target.name, concurrency), []).append(one)
        print(f"{'calls of a 32-byte echo':<36}{'at once':>8}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}")
        for (name, concurrency), several in results.items():
            middle = [statistics.median(getattr(one, field) for one in several) for field in ("rate", "p50", "p99")]
            cpu = min(one.cpu for one in several)
            print(f"{name:<36}{concurrency:>8}{middle[0]:>10.0f}{middle[1]:>9.2f}{middle[2]:>9.2f}{cpu:>9.3f}")
        for target in [one for one in found if one.tools]:
            pid = target.pid or 0
            count, middle, cpu = await listing(target.url, modern=target.modern, key=target.key, rounds=20, pid=pid)
            print(f"{target.name}: {count} tools in {middle:.2f} ms, {cpu:.2f} ms of CPU; {resident_mib(pid):.0f} MiB")
    seconds, cpu, memory = await cold_start()
    print(f"mesh, all {SERVERS} servers down: first list {seconds:.2f} s after the process began, {cpu:.2f} s of CPU; "
          f"{memory:.0f} MiB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    BUILD.mkdir(parents=True, exist_ok=True)
    asyncio.run(measure(full=parser.parse_args().full))


if __name__ == "__main__":
    main()
