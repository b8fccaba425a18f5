"""How an answer leaves: its head, its length, its pieces, and what a client hears before it has sent its body."""

import anyio
import pytest
from sites import listening

START = {"type": "http.response.start", "status": 200}


async def answer_to(app, *sent):
    """All bytes that one connection gets for what it sends, piece by piece; each piece waits for an answer."""
    got = b""
    async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        for piece in sent:
            await client.send(piece)
            got += await client.receive()
        try:
            while True:
                got += await client.receive()
        except anyio.EndOfStream:
            return got


@pytest.mark.parametrize(
    ("headers", "pieces", "framing", "body"),
    [
        ([], [b"hello"], b"content-length: 5", b"hello"),
        ([(b"content-length", b"10")], [b"hello", b"world"], b"content-length: 10", b"helloworld"),
        ([], [b"hello", b"", b"world"], b"transfer-encoding: chunked", b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_has_a_length_or_is_chunked(headers, pieces, framing, body):
    async def app(scope, receive, send):
        await send({**START, "headers": headers})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    with anyio.fail_after(20):
        got = await answer_to(app, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert framing in head
    assert b"connection: close" in head
    assert rest == body


async def test_a_client_that_waits_to_be_told_is_told_to_go_on():
    async def app(scope, receive, send):
        found = await receive()
        await send({**START, "headers": []})
        await send({"type": "http.response.body", "body": found["body"]})

    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with anyio.fail_after(20):
        got = await answer_to(app, head, b"body")
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    assert got.endswith(b"body")
