"""A session for each client: who shares one, when it closes, and what goes over the shared connection."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from meshplan.runtime.upstream import clients
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import Client, UpstreamRequest, UpstreamUnavailable
from meshplan.schemas.plan import Server, StdioTransport

ASKING = Path(__file__).parents[2] / "servers" / "asking.py"
ANN = Client(("key", "ann"), "one")


def asking():
    transport = StdioTransport(argv=(sys.executable, str(ASKING)), env={}, cwd=".")
    return Server(transport=transport, timeout_ms=5000, relays=(), sessions="per_client")


@pytest.fixture
async def upstreams(tmp_path):
    async with open_upstreams({"s": asking()}, tmp_path) as found:
        yield found


async def pid(upstreams, client=None):
    request = UpstreamRequest("tools/call", {"name": "seen"}, 20.0, client=client)
    return (await upstreams.get("s").request(request))["pid"]


async def until_sessions(upstreams, count):
    with anyio.fail_after(10):
        while upstreams.health()["s"].sessions != count:
            await anyio.lowlevel.checkpoint()


async def test_a_session_belongs_to_one_client_with_its_capabilities(upstreams):
    declared = replace(ANN, capabilities=json.dumps({"roots": {}}))
    others = [replace(ANN, name="two"), replace(ANN, owner=("key", "bob")), declared, None]
    pids = [await pid(upstreams, client) for client in (ANN, *others)]
    assert len(set(pids)) == 5
    assert [await pid(upstreams, client) for client in (ANN, *others)] == pids
    assert upstreams.health()["s"].sessions == 4


async def test_idle_sessions_are_closed(upstreams, monkeypatch):
    monkeypatch.setattr(clients, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(clients, "SWEEP_SECONDS", 0.05)
    shared = await pid(upstreams)
    first = await pid(upstreams, ANN)
    await upstreams.replace({"s": asking()})
    await upstreams.replace({})
    await upstreams.replace({"s": asking()})
    second = await pid(upstreams, ANN)
    assert first != second
    await until_sessions(upstreams, 0)
    assert await pid(upstreams, ANN) not in {first, second, shared}


async def test_a_client_that_left_is_forgotten(upstreams):
    await pid(upstreams, ANN)
    await pid(upstreams, replace(ANN, name="two"))
    upstreams.get("s").forget(ANN.owner, ANN.name)
    await until_sessions(upstreams, 1)


async def test_all_sessions_together_are_bounded(upstreams, monkeypatch):
    monkeypatch.setattr(clients, "MAX_SESSIONS", 2)
    upstream, begun = upstreams.get("s"), anyio.Event()
    callers = [replace(ANN, owner=("key", str(number))) for number in range(3)]

    async def stay(client):
        async def never(_method, _params):
            begun.set()
            await anyio.sleep_forever()

        arguments = {"asks": [["roots/list", {}]]}
        request = UpstreamRequest(
            "tools/call", {"name": "ask", "arguments": arguments}, 30.0, client=client, on_ask=never
        )
        await upstream.request(request)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stay, replace(callers[0], capabilities='{"roots":{}}'))
            await begun.wait()
            await pid(upstreams, callers[1])
            await pid(upstreams, callers[2])
            assert upstream.health().sessions == 2
            monkeypatch.setattr(clients, "MAX_SESSIONS", 1)
            upstream.forget(callers[2].owner, callers[2].name)
            with pytest.raises(UpstreamUnavailable, match="more than 1 sessions"):
                await pid(upstreams, callers[1])
            tasks.cancel_scope.cancel()
