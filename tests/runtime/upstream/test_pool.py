"""All servers of a plan: a start that waits for none, and a new plan that no running call notices."""

import anyio
import pytest

from meshplan.runtime.upstream import pool
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamUnavailable
from meshplan.schemas.plan import Breaker, Literally


async def test_fifty_dead_servers_do_not_delay_the_start(kit, tmp_path):
    began = anyio.current_time()
    async with open_upstreams({f"s{n}": kit.http_server(9) for n in range(50)}, tmp_path) as upstreams:
        assert anyio.current_time() - began < 5
        assert len(upstreams.health()) == 50


async def test_an_equal_server_keeps_its_connection(kit, tmp_path):
    servers = {"a": kit.stdio_server("modern"), "b": kit.stdio_server("modern")}
    async with open_upstreams(servers, tmp_path) as upstreams:
        before = {name: (await upstreams.get(name).request(kit.call("seen")))["pid"] for name in servers}
        changed = kit.stdio_server("modern", env={"NEW": Literally(value="1")})
        await upstreams.replace({"a": kit.stdio_server("modern"), "b": changed})
        after = {name: (await upstreams.get(name).request(kit.call("seen")))["pid"] for name in servers}
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


async def test_a_removed_server_finishes_its_running_calls(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "QUIET_SECONDS", 0.05)
    results = []

    async def hold(upstream):
        results.append(await upstream.request(kit.call("hold", key="k")))

    with anyio.fail_after(20):
        async with open_upstreams({"s": kit.stdio_server("legacy")}, tmp_path) as upstreams:
            upstream = upstreams.get("s")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hold, upstream)
                while "k" not in (await upstream.request(kit.call("seen")))["held"]:
                    pass
                await upstreams.replace({})
                assert upstreams.health() == {}
                with pytest.raises(KeyError):
                    upstreams.get("s")
                await upstream.request(kit.call("release", key="k"))
            while upstream.health().state != "closed":
                await anyio.lowlevel.checkpoint()
            with pytest.raises(UpstreamUnavailable, match="closed by a new plan"):
                await upstream.request(kit.call("echo"))
    assert results[0]["key"] == "k"


async def test_calls_in_a_loop_survive_changes_of_the_plan(web, kit, tmp_path):
    listener = await web.start(kit.Fixture().app())
    plans = [{"s": kit.http_server(listener.port, headers={"X-Team": Literally(value=str(n))})} for n in range(4)]
    done = 0

    async def loop(upstreams, stop):
        nonlocal done
        while not stop.is_set():
            await upstreams.get("s").request(kit.call("echo"))
            done += 1

    async with open_upstreams(plans[0], tmp_path) as upstreams, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        for _ in range(4):
            tasks.start_soon(loop, upstreams, stop)
        for plan in plans[1:]:
            before = done
            await upstreams.replace(plan)
            with anyio.fail_after(10):
                while done < before + 20:
                    await anyio.lowlevel.checkpoint()
        stop.set()


async def test_leaving_fails_running_calls_clearly_and_soon(kit, tmp_path):
    failures = []

    async def hold(upstream):
        with pytest.raises(UpstreamUnavailable) as caught:
            await upstream.request(kit.call("hold", key="k", timeout=60))
        failures.append(caught.value)

    with anyio.fail_after(15):
        async with (
            anyio.create_task_group() as tasks,
            open_upstreams({"s": kit.stdio_server("modern")}, tmp_path) as upstreams,
        ):
            tasks.start_soon(hold, upstreams.get("s"))
            while "k" not in (await upstreams.get("s").request(kit.call("seen")))["held"]:
                pass
    assert failures[0].sent


async def test_an_error_in_the_body_is_not_wrapped(kit, tmp_path):
    with pytest.raises(ZeroDivisionError):
        async with open_upstreams({"s": kit.http_server(9)}, tmp_path):
            raise ZeroDivisionError


async def test_a_replica_answers_for_a_server_that_is_not_there_and_the_breaker_is_seen(web, kit, tmp_path):
    listener = await web.start(kit.Fixture().app())
    alive = kit.http_server(listener.port)
    transport = alive.transport.model_copy(update={"url": "http://127.0.0.1:9/mcp", "replicas": (alive.transport.url,)})
    server = alive.model_copy(update={"transport": transport, "breaker": Breaker(failures=1, cooldown_ms=60_000)})
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        assert (await upstreams.get("s").request(kit.call("echo", n=1)))["futureField"] == {"n": 1}
        health = upstreams.health()["s"]
        assert (health.state, len(health.members)) == ("connected", 2)
        before = upstreams.get("s")
        await upstreams.replace({"s": server.model_copy(update={"breaker": None})})
        assert upstreams.get("s") is before
        assert (await before.request(kit.call("echo")))["resultType"] == "complete"
        assert upstreams.health()["s"].breaker is None


async def test_a_breaker_comes_and_goes_with_the_plan_over_the_same_connection(kit, tmp_path):
    server = kit.stdio_server("modern")
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        pids = {(await upstreams.get("s").request(kit.call("seen")))["pid"]}
        for breaker in (Breaker(failures=3, cooldown_ms=1000), None):
            await upstreams.replace({"s": server.model_copy(update={"breaker": breaker})})
            pids.add((await upstreams.get("s").request(kit.call("seen")))["pid"])
            assert upstreams.health()["s"].breaker == (breaker and "closed")
    assert len(pids) == 1
