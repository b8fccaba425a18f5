"""One task answers all requests of a connection, whatever the application does with one of them."""

import asyncio

import anyio
import pytest
from sites import listening, nothing

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BROKEN = REQUEST.replace(b"/ ", b"/broken ")
ANSWER = b"HTTP/1.1 204"


async def answers(client, count):
    """Until so many have come."""
    found = b""
    while found.count(ANSWER) < count:
        found += await client.receive()
    return found


async def test_a_connection_has_one_task_and_none_is_left_when_it_ends():
    tasks = []

    async def app(scope, receive, send):
        tasks.append(asyncio.current_task())
        await nothing(scope, receive, send)

    with anyio.fail_after(20):
        async with listening(app) as port:
            for _ in range(2):
                async with await anyio.connect_tcp("127.0.0.1", port) as client:
                    for _ in range(3):
                        await client.send(REQUEST)
                        await answers(client, 1)
            first, second = tasks[0], tasks[-1]
            assert tasks == [first] * 3 + [second] * 3
            assert first is not second
            while not (first.done() and second.done()):
                await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("first", [1, 2])
async def test_an_application_that_breaks_after_its_answer_does_not_keep_the_next_request_waiting(caplog, first):
    async def app(scope, receive, send):
        await nothing(scope, receive, send)
        if scope["path"] == "/broken":
            raise RuntimeError("on purpose")

    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send((BROKEN + REQUEST)[: len(BROKEN) if first == 1 else None])
            await answers(client, first)
            await client.send(REQUEST)
            await answers(client, 1)
    assert [record.message for record in caplog.records] == ["a request broke"]


async def test_an_application_that_lingers_is_left_in_peace_by_the_client_s_next_request():
    order, go_on = [], anyio.Event()

    async def app(scope, receive, send):
        order.append("begins")
        await nothing(scope, receive, send)
        if len(order) == 1:
            await go_on.wait()
        order.append("ends")

    with anyio.fail_after(20):
        async with listening(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(REQUEST + REQUEST)
            await answers(client, 1)
            go_on.set()
            await answers(client, 1)
    assert order == ["begins", "ends"] * 2


async def test_a_client_that_leaves_while_it_is_served_takes_nothing_of_the_next_one_along():
    cancelled = anyio.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/":
            await nothing(scope, receive, send)
            return
        scope["extensions"]["meshplan.direct"].cancel_when_gone()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with anyio.fail_after(20):
        async with listening(app) as port:
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(REQUEST.replace(b"/ ", b"/stays "))
            await cancelled.wait()
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(REQUEST)
                await answers(client, 1)
