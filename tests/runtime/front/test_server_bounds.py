"""Bounds of the HTTP server itself: clients that do not read, do not go on, or are too many."""

from contextlib import suppress

import anyio
import pytest
from sites import listening

from meshplan.runtime.front import server
from meshplan.runtime.front.server import MAX_HEAD_BYTES, HttpServer


class Endless:
    """Answers with bytes until the client is gone, and says when it is."""

    def __init__(self):
        self.gone = anyio.Event()

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

        async def write():
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(write)
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()
        self.gone.set()


async def nothing(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_client_that_reads_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.02)
    app = Endless()
    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(REQUEST)
            await app.gone.wait()


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", REQUEST])
async def test_a_client_that_does_not_go_on_is_let_go(monkeypatch, start):
    for name in ("HEAD_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(server, name, 0.1)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.02)
    with anyio.fail_after(20):
        async with listening(nothing) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            if start:
                await client.send(start)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await client.receive():
                    pass


async def test_a_process_takes_so_many_connections(monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    with anyio.fail_after(20):
        async with (
            listening(nothing) as port,
            await anyio.connect_tcp("127.0.0.1", port) as first,
            await anyio.connect_tcp("127.0.0.1", port) as second,
        ):
            for client in (first, second):
                await client.send(REQUEST)
                assert (await client.receive()).startswith(b"HTTP/1.1 204")
            async with await anyio.connect_tcp("127.0.0.1", port) as third:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await third.receive()
            await first.send(REQUEST)
            assert (await first.receive()).startswith(b"HTTP/1.1 204")


async def test_the_size_of_a_head_follows_the_plan(monkeypatch):
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.01)
    sizes = [MAX_HEAD_BYTES]
    found = HttpServer(nothing, lambda: sizes[0])
    assert found.head_bytes == MAX_HEAD_BYTES
    sizes[0] = 100
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            sweeper = found.loop.create_task(found._sweep())
            while found.head_bytes != 100:
                await anyio.lowlevel.checkpoint()
            sweeper.cancel()
            group.cancel_scope.cancel()
