"""How many clients a server takes, how it follows the plan, and what it makes of an application that breaks."""

import anyio
import pytest
from sites import listening, nothing

from meshplan.runtime.front.http1 import server
from meshplan.runtime.front.http1.server import MAX_HEAD_BYTES, HttpServer

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


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


async def test_an_application_that_breaks_is_a_500_and_the_next_client_is_served(caplog):
    async def app(scope, receive, send):
        if scope["path"] == "/broken":
            raise RuntimeError("on purpose")
        await nothing(scope, receive, send)

    with anyio.fail_after(20):
        async with listening(app) as port:
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"GET /broken HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await client.receive()).startswith(b"HTTP/1.1 500")
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(REQUEST)
                assert (await client.receive()).startswith(b"HTTP/1.1 204")
    assert [record.message for record in caplog.records] == ["a request broke"]
