"""What stands beside the mesh in `make bench-data`: how each peer is got, started, and called."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_load import Client, Make
from data_sse import SseClient

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench-data"
FASTMCP_VERSION, HUB_VERSION = "4.1.2", "4.2.1"
INSTALL_SECONDS = 300
PROXY, HUB = "FastMCP, connected clients, legacy", "mcp-hub, HTTP+SSE"

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 10000000;
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
    """One thing that is measured; ``tools`` says whether it lists those of all servers, ``slow`` that it gets fewer calls."""

    name: str
    make: Make
    tool: str
    pid: int | None = None
    tools: bool = True
    slow: bool = False


def over_http(url: str, *, modern: bool, key: str | None = None) -> Make:
    return lambda: Client(url, modern, key)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextlib.contextmanager
def process(*argv: str, read: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A child that ends with the context; what it says is in a file, so that no full pipe ever holds it up."""
    log = (BUILD / "log").open("ab")
    # As pip installs: with compiled modules.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"XDG_STATE_HOME": str(BUILD / "state"), "XDG_CONFIG_HOME": str(BUILD / "config")}
    found = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE if read else log, stderr=log, env=env)
    try:
        yield found
    finally:
        found.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            found.wait(10)
        if found.poll() is None:
            found.kill()


def nginx(stack: contextlib.ExitStack, upstream: int) -> Target | None:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        print("nginx: left out, it is not installed (apt-get install nginx-light)")
        return None
    port = free_port()
    (BUILD / "nginx.conf").write_text(NGINX.format(folder=BUILD, upstream=upstream, port=port))
    pid = stack.enter_context(process(binary, "-p", str(BUILD), "-c", str(BUILD / "nginx.conf"))).pid
    return Target("nginx, modern", over_http(f"http://127.0.0.1:{port}/mcp", modern=True), "echo", pid, tools=False)


def fastmcp(stack: contextlib.ExitStack, base: int, servers: int, *, install: bool) -> Target | None:
    venv = BUILD / "fastmcp"
    python = str(venv / "bin" / "python")
    wanted = ("-c", f"import importlib.metadata as m; assert m.version('fastmcp') == '{FASTMCP_VERSION}'")
    if install and not _works(python, *wanted):
        _run(sys.executable, "-m", "venv", str(venv))
        # A free choice of versions sends pip's resolver on a search that takes minutes.
        _run(python, "-m", "pip", "install", "--quiet", f"fastmcp=={FASTMCP_VERSION}")
    if not _works(python, *wanted):
        print("FastMCP: left out, it is not installed (`--full` installs it)")
        return None
    port = free_port()
    pid = stack.enter_context(process(python, "-c", FASTMCP, str(port), str(base), str(servers))).pid
    make = over_http(f"http://127.0.0.1:{port}/mcp", modern=False)
    return Target(PROXY, make, "s07_echo", pid, slow=True)


def hub(stack: contextlib.ExitStack, base: int, servers: int, *, install: bool) -> Target | None:
    cli, node, npm = BUILD / "hub/node_modules/mcp-hub/dist/cli.js", shutil.which("node"), shutil.which("npm")
    if install and not cli.exists() and npm is not None:
        wanted = f"mcp-hub@{HUB_VERSION}"
        _run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(BUILD / "hub"), wanted)
    if node is None or not cli.exists():
        print("mcp-hub: left out, it is not installed (`--full` installs it where there is npm)")
        return None
    port, config = free_port(), BUILD / "hub.json"
    names = {f"s{n:02d}": {"url": f"http://127.0.0.1:{base + n}/mcp"} for n in range(servers)}
    config.write_text(json.dumps({"mcpServers": names}))
    pid = stack.enter_context(process(node, str(cli), "--port", str(port), "--config", str(config))).pid
    return Target(HUB, lambda: SseClient(f"http://127.0.0.1:{port}/mcp", False), "s07__echo", pid)


def _works(*argv: str) -> bool:
    try:
        return subprocess.run(argv, check=False, stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except OSError:
        return False


def _run(*argv: str) -> None:
    with (BUILD / "log").open("ab") as log, contextlib.suppress(subprocess.TimeoutExpired, OSError):
        subprocess.run(argv, check=False, stdout=log, stderr=log, timeout=INSTALL_SECONDS)
