"""Quarantine: what a server offers by now against what the plan reviewed."""

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from plans import Draft, FakeUpstreams
from sites import site

from meshplan.runtime import drift
from meshplan.runtime.active import Active
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamUnavailable
from meshplan.schemas.plan import StdioTransport

DRIFTING = Path(__file__).parents[1] / "servers" / "drifting.py"


def tool(name, **more):
    return {"name": name, "inputSchema": {"type": "object"}, **more}


REVIEWED = [
    tool("a", description="first", annotations={"x": 1.50}),
    tool("b"),
    tool("c"),
    tool("poke"),
    tool("big", n=10**20),
]


def draft(path, *, on_drift="block"):
    found = Draft()
    transport = StdioTransport(argv=(sys.executable, str(DRIFTING), str(path)), env={}, cwd=".")
    found.server("s", transport, on_drift=on_drift)
    for definition in REVIEWED:
        key = found.define("s", "tool", definition)
        found.offer("dev", key)
        found.allow("all", key)
    found.key("ann", "user:ann")
    found.grant("all", "user:ann")
    return found


def write(path, tools):
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"tools": tools}))
    new.replace(path)


@asynccontextmanager
async def watched(plan, tmp_path):
    """A site over real servers, whose watch has looked at each of them once."""
    bundle, events = plan.bundle(), []
    active = Active()
    watch = DriftWatch(active, lambda name, members: events.append((name, dict(members))))
    with anyio.fail_after(60):
        async with (
            open_upstreams(
                bundle.plan.servers, tmp_path, on_list_changed=lambda s, _: watch.due(s), on_connected=watch.due
            ) as upstreams,
            site(bundle, upstreams, active=active, drift=watch) as found,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(watch.run, upstreams)
            await until(lambda: watch.report().get("s", {}).get("checked"))
            yield found, watch, events
            tasks.cancel_scope.cancel()


async def until(condition):
    with anyio.fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def call(found, name):
    answer = (await found.modern("tools/call", {"name": name})).json()
    return answer.get("error") or answer["result"]


async def test_what_changed_stays_listed_and_is_not_called(tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "SETTLE", 0.0)
    path = tmp_path / "offered.json"
    write(path, REVIEWED)
    async with watched(draft(path), tmp_path) as (found, watch, events):
        assert watch.report()["s"]["drifted"] == {}
        assert "content" in await call(found, "a")
        write(path, [tool("a", description="hidden instructions"), *REVIEWED[2:], tool("new")])
        await call(found, "poke")
        differences = {"s/tool/a": "changed", "s/tool/b": "missing"}
        await until(lambda: watch.report()["s"]["drifted"] == differences)
        assert events[-1] == ("drift", {"server": "s", "capabilities": differences})
        for name in ("a", "b"):
            error = await call(found, name)
            assert (error["code"], error["data"]["reason"]) == (-31007, "quarantined")
            assert found.attempts[-1].outcome == "quarantined"
        assert "content" in await call(found, "c")
        assert (await call(found, "new"))["message"] == "Unknown tool: new"
        listed = (await found.modern("tools/list")).json()["result"]["tools"]
        assert [(item["name"], item.get("description")) for item in listed][:2] == [("a", "first"), ("b", None)]
        status = (await found.client.get(f"http://127.0.0.1:{found.port}/status")).json()
        assert status["drift"]["s"]["drifted"] == {"s/tool/a": "changed", "s/tool/b": "missing"}
        write(path, REVIEWED)
        await call(found, "poke")
        await until(lambda: not watch.report()["s"]["drifted"])
        assert "content" in await call(found, "a")


async def test_a_new_plan_with_the_new_definition_lifts_it_at_once(tmp_path):
    path = tmp_path / "offered.json"
    write(path, [tool("a", description="new words"), *REVIEWED[1:]])
    plan = draft(path)
    async with watched(plan, tmp_path) as (found, _, _events):
        assert (await call(found, "a"))["code"] == -31007
        plan.define("s", "tool", tool("a", description="new words"))
        found.active.swap(Snapshot(plan.bundle()))
        assert "content" in await call(found, "a")


async def test_warn_lets_calls_through_and_records_it(tmp_path):
    path = tmp_path / "offered.json"
    write(path, REVIEWED[1:])
    async with watched(draft(path, on_drift="warn"), tmp_path) as (found, _, _events):
        assert "content" in await call(found, "a")
        assert "content" in await call(found, "b")
        assert [(attempt.outcome, attempt.drift) for attempt in found.attempts] == [("ok", "missing"), ("ok", None)]


async def test_an_order_of_keys_is_no_change_and_a_name_listed_twice_is_one(tmp_path):
    path = tmp_path / "offered.json"
    turned = {name: REVIEWED[0][name] for name in reversed(REVIEWED[0])}
    write(path, [turned, *REVIEWED[1:], tool("b", description="another")])
    async with watched(draft(path), tmp_path) as (_, watch, _events):
        assert watch.report()["s"]["drifted"] == {"s/tool/b": "changed"}


@pytest.mark.parametrize("failure", ["down", "refused", "shapeless", "endless"])
async def test_a_server_that_cannot_be_asked_keeps_what_was_last_seen(failure, monkeypatch):
    monkeypatch.setattr(drift, "RETRY", 0.0)
    monkeypatch.setattr(drift, "PERIOD", 0.0)
    plan, upstreams, state = Draft(), FakeUpstreams(), {"failing": False, "asked": 0}
    plan.tool("dev", "s", "a")

    async def lists(request):
        await anyio.lowlevel.checkpoint()
        state["asked"] += 1
        if not state["failing"]:
            return {"tools": [tool("a", description="other")]}
        match failure:
            case "down":
                raise UpstreamUnavailable("down")
            case "refused":
                raise UpstreamRefusal(-32000, "no")
            case "shapeless":
                return {"tools": 7}
        return {"tools": [], "nextCursor": "again" if request.params else "more"}

    upstreams.serve("s", lists)
    active = Active()
    active.swap(Snapshot(plan.bundle()))
    watch = DriftWatch(active, lambda *_: None)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run, upstreams)
            await until(lambda: watch.report().get("s", {}).get("drifted"))
            state["failing"] = True
            await until(lambda: watch.report()["s"]["error"])
            assert watch.report()["s"]["drifted"] == {"s/tool/a": "changed"}
            state["failing"] = False
            await until(lambda: not watch.report()["s"]["error"])
            tasks.cancel_scope.cancel()


async def test_a_frozen_server_delays_no_other(monkeypatch):
    plan, upstreams = Draft(), FakeUpstreams()
    monkeypatch.setattr(drift, "CONCURRENT_CHECKS", 2)

    async def hang(_):
        await anyio.sleep_forever()

    async def empty(_):
        await anyio.lowlevel.checkpoint()
        return {"tools": []}

    upstreams.serve("frozen", hang)
    for name in ("x", "y", "z"):
        upstreams.serve(name, empty)
    for name in ("frozen", "x", "y", "z"):
        plan.tool("dev", name, f"{name}_tool")
    active = Active()
    active.swap(Snapshot(plan.bundle()))
    watch = DriftWatch(active, lambda *_: None)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run, upstreams)
            await until(lambda: all(watch.report().get(name, {}).get("checked") for name in ("x", "y", "z")))
            assert watch.report()["frozen"]["checked"] is None
            tasks.cancel_scope.cancel()
