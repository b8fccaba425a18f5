"""The example servers, a plan over all of them, and the runtime as a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.abc
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from plans import Draft

from meshplan.runtime.probe import main_probe
from meshplan.schemas.plan import HttpTransport, StdioTransport

EXAMPLES = Path(__file__).parents[3] / "examples" / "servers"
KINDS = {"tools": "tool", "prompts": "prompt", "resources": "resource", "resource_templates": "template"}
RELAYS = {"notes": ("completions",), "tickets": ("completions",), "catalog": ()}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def example(name, port):
    """Run one HTTP example server until the context ends; it listens when the context begins."""
    process = subprocess.Popen([sys.executable, EXAMPLES / f"{name}.py", "--port", str(port)])
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def http(port):
    return HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None)


def notes():
    return StdioTransport(argv=(sys.executable, str(EXAMPLES / "notes.py")), env={}, cwd=".")


@dataclass
class World:
    """Where the example servers are, and what they offer."""

    transports: dict
    found: dict = field(default_factory=dict)

    def draft(self, *servers, endpoint="dev", timeout_ms=10_000):
        """A plan that offers everything of these servers to key `ann`, at one endpoint, tools prefixed."""
        draft = Draft(local=("user:ann",))
        draft.key("ann", "user:ann")
        draft.key("bob", "user:bob")
        draft.grant("all", "user:ann")
        for server in servers or self.transports:
            draft.server(server, self.transports[server], relays=RELAYS[server], timeout_ms=timeout_ms)
            for section, kind in KINDS.items():
                for definition in self.found[server][section]:
                    key = draft.define(server, kind, definition)
                    draft.offer(endpoint, key, f"{server}_{definition['name']}" if kind == "tool" else None)
                    draft.allow("all", key)
        return draft


def look(transports):
    """Ask every server what it offers."""
    draft = Draft()
    for name, transport in transports.items():
        draft.server(name, transport)
    asked = {"servers": {name: server.model_dump(mode="json") for name, server in draft.servers.items()}}
    lines = []
    assert anyio.run(main_probe, json.dumps(asked), lines.append) == 0
    found = {line["server"]: line for line in map(json.loads, lines)}
    assert all(line["ok"] for line in found.values()), found
    return World(transports, found)


@dataclass
class Runtime:
    """A running runtime: its base URL, and what it said on standard error."""

    base: str
    process: anyio.abc.Process
    lines: list[str]

    def url(self, endpoint="dev"):
        return f"{self.base}/mcp/{endpoint}"

    async def status(self):
        async with httpx2.AsyncClient() as client:
            return (await client.get(f"{self.base}/status")).json()


def command(*args):
    return [sys.executable, "-m", "meshplan.runtime", *map(str, args)]


@asynccontextmanager
async def runtime(*args):
    """Start `serve` on a free port; yields when it says that it serves."""
    process = await anyio.open_process(command("serve", "--listen", "127.0.0.1:0", *args), stdin=subprocess.DEVNULL)
    lines: list[str] = []
    ready = anyio.Event()
    serving: list[str] = []

    async def drain():
        rest = b""
        with suppress(anyio.ClosedResourceError):
            async for chunk in process.stderr:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    lines.append(line.decode())
                    if line.startswith(b"serving "):
                        serving.append(line.split()[1].decode())
                        ready.set()

    async with anyio.create_task_group() as group:
        group.start_soon(drain)
        try:
            with anyio.fail_after(30):
                await ready.wait()
            base = "/".join(serving[0].split("/")[:3]).rstrip(",")
            yield Runtime(base, process, lines)
        finally:
            if process.returncode is None:
                process.terminate()
            with anyio.CancelScope(shield=True), anyio.move_on_after(15):
                await process.wait()
            await process.aclose()


@asynccontextmanager
async def client(url, mode, *, key="ann", **more):
    """A stock client over HTTP."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer secret-{key}"}, timeout=30) as web:
        transport = streamable_http_client(url, http_client=web)
        async with Client(transport, mode=mode, **more) as found:
            yield found


def stdio(*args):
    """What a stock client starts for `stdio`."""
    first, *rest = command("stdio", *args)
    return StdioServerParameters(command=first, args=rest, env={"PATH": os.environ["PATH"]})
