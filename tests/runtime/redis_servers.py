"""A real Redis on a socket of its own, which tests may kill, and a way to it that can swallow answers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import pytest
from redis import Redis


class Server:
    """One Redis; ``save`` keeps what it has over a restart."""

    def __init__(self, folder: Path, *, policy: str = "noeviction") -> None:
        self.folder, self._policy = folder, policy
        self.socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def client(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket))

    def start(self) -> None:
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        settings = ["--save", "", "--appendonly", "no", "--maxmemory-policy", self._policy]
        self._process = subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL)
        for _ in range(500):
            with suppress(Exception):
                if self.client.ping():
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def one_redis():
    """A Redis until the context ends."""
    # The path of a socket may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="mesh-redis-") as folder:
        found = start_redis(Path(folder))
        try:
            yield found
        finally:
            found.kill()


def start_redis(folder: Path, policy: str = "noeviction") -> Server:
    if shutil.which("redis-server") is None:
        pytest.skip("LOUD SKIP: redis-server is not installed")
    server = Server(folder, policy=policy)
    server.start()
    return server


class Relay:
    """Between a runtime and its Redis: ``deaf`` lets commands through and no answers back."""

    def __init__(self, server: Server, path: Path) -> None:
        self._server, self.path, self.deaf = server, path, False

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def serve(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with await anyio.create_unix_listener(self.path) as listener:
            task_status.started()
            await listener.serve(self._handle)

    async def _handle(self, client: anyio.abc.SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async with (
                client,
                await anyio.connect_unix(str(self._server.socket)) as redis,
                anyio.create_task_group() as both,
            ):
                both.start_soon(self._back, redis, client, both.cancel_scope)
                async for data in client:
                    await redis.send(data)
                # Commands under way are carried out, also when nobody waits any more.
                await redis.send_eof()
                if not self.deaf:
                    both.cancel_scope.cancel()

    async def _back(
        self, redis: anyio.abc.SocketStream, client: anyio.abc.SocketStream, scope: anyio.CancelScope
    ) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async for data in redis:
                if not self.deaf:
                    await client.send(data)
        scope.cancel()
