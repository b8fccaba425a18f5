"""Clients that do not read, do not go on, or send several requests at once."""

import re
from contextlib import suppress

import anyio
import pytest
from sites import listening, nothing

from meshplan.runtime.front.http1 import connection, server


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


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_client_that_reads_nothing_is_let_go(monkeypatch):
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.02)
    app = Endless()
    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(REQUEST)
            await app.gone.wait()


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", REQUEST])
async def test_a_client_that_does_not_go_on_is_let_go(monkeypatch, start):
    for name in ("HEAD_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(connection, name, 0.1)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.02)
    with anyio.fail_after(20):
        async with listening(nothing) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            if start:
                await client.send(start)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await client.receive():
                    pass


@pytest.mark.parametrize(("sent", "answered"), [(3, [b"<0>", b"<1>", b"<2>"]), (9, [b"<0>"])])
async def test_pipelined_requests_are_answered_in_order_and_too_many_break_the_connection(monkeypatch, sent, answered):
    monkeypatch.setattr(connection, "MAX_PIPELINED", 3)
    begun, go = [], anyio.Event()

    async def app(scope, receive, send):
        begun.append(scope["path"])
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<%b>" % scope["path"][1:].encode()})

    got = b""
    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(sent)))
            while not begun:
                await anyio.lowlevel.checkpoint()
            assert begun == ["/0"]
            go.set()
            with suppress(anyio.EndOfStream):
                while not got.endswith(answered[-1]):
                    got += await client.receive()
                if sent > 3:
                    got += await client.receive()
    assert re.findall(rb"<\d>", got) == answered


async def test_a_target_in_absolute_form_replaces_the_host():
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["path"], [value for name, value in scope["headers"] if name == b"host"]))
        await nothing(scope, receive, send)

    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"GET http://other:81/a%20b HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.receive()).startswith(b"HTTP/1.1 204")
    assert seen == [("/a b", [b"other:81"])]
