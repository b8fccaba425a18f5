"""Real processes on loopback: the example's servers, `mesh` itself, and clients that know nothing of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def until(ready, what):
    """Ask again, often, for a bounded time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if (found := ready()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} within {PATIENCE_S} s")


def listening(port):
    def ask():
        with socket.socket() as probe:
            return True if probe.connect_ex(("127.0.0.1", port)) == 0 else None

    until(ask, f"port {port} answers")


def ready(port):
    def ask():
        try:
            return True if httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200 else None
        except httpx2.TransportError:
            return None

    until(ask, "the runtime is ready")


@contextmanager
def process(*command, cwd, **kwargs):
    started = subprocess.Popen([str(word) for word in command], cwd=cwd, env=ENVIRONMENT, **kwargs)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


@contextmanager
def example_server(name, port, data):
    script = ROOT / "examples/servers" / f"{name}.py"
    with process(
        sys.executable, script, "--data", data, "--port", port, cwd=ROOT, stderr=subprocess.DEVNULL
    ) as started:
        listening(port)
        yield started


def mesh(folder, *words, timeout=90, check=True):
    """Run one `mesh` command to its end."""
    command = [sys.executable, "-m", "meshplan.compiler", *[str(word) for word in words]]
    done = subprocess.run(
        command, check=False, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def example_folder(folder, ports):
    """The example mesh with its own lock, on other ports."""
    (folder / "examples").symlink_to(ROOT / "examples")
    text = (ROOT / "mesh.yaml.example").read_text()
    locks = {path.name: path.read_text() for path in (ROOT / "mesh.lock").glob("*.json")}
    for old, new in ports.items():
        text = text.replace(f":{old}", f":{new}")
        locks = {name: lock.replace(f":{old}/", f":{new}/") for name, lock in locks.items()}
    (folder / "mesh.yaml").write_text(text)
    (folder / "mesh.lock").mkdir()
    for name, lock in locks.items():
        (folder / "mesh.lock" / name).write_text(lock)
    return folder


@asynccontextmanager
async def client(url, secret, mode="auto", **kwargs):
    """A stock client of the SDK; only its credential is ours."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=60)) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **kwargs) as connected,
    ):
        yield connected


def node_tool(name):
    """A program that .ci/run installed from npm, or one on the PATH."""
    local = ROOT / "build/node/node_modules/.bin" / name
    return str(local) if local.exists() else shutil.which(name)
