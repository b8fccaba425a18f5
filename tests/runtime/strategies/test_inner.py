"""Calls that a strategy makes for one of its own: their turns, progress, questions, and what is told when a plan changes."""

import hashlib
import json

import anyio
import anyio.lowlevel
import pytest
from desks import NOW, Desk
from plans import Draft, FakeUpstreams, echo

from meshplan.runtime.crowd import Share
from meshplan.runtime.headcount import Alone
from meshplan.runtime.snapshot import Snapshot, changed_lists
from meshplan.schemas.plan import Limits, Search

ME = ("issuer", "me")
TASKS = "io.modelcontextprotocol/tasks"


class Several:
    """A strategy whose one tool calls `get` as often as it is told, all at once."""

    names, direct, instructions = frozenset({"several"}), frozenset(), None

    def listed(self, visible):
        return [b'{"name":"several"}'] if visible else []

    async def call(self, name, arguments, inner):
        found = []

        async def one(number):
            found.append(await inner.call("get", {"n": number}))

        async with anyio.create_task_group() as group:
            for number in range(arguments["times"]):
                group.start_soon(one, number)
        return {"content": [], "structuredContent": {"times": len(found), "last": found[-1]}}


def desk(upstreams=None, *, limit=64):
    draft = Draft(limits=Limits(body_bytes=100_000, concurrency_per_principal=limit))
    draft.tool("dev", "notes", "get")
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    made = Desk(draft, upstreams)
    snapshot = made.active.snapshot
    index = snapshot.endpoints["dev"]
    fields = {name: getattr(index, name) for name in index.__slots__}
    snapshot.endpoints["dev"] = type(index)(**fields | {"strategy": Several(), "strategy_name": "several"})
    return made


async def test_many_run_at_once_within_the_callers_limit():
    upstreams, running, most = FakeUpstreams(), 0, 0

    async def slow(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        running -= 1
        return await echo(request)

    upstreams.serve("notes", slow)
    bench = desk(upstreams, limit=4)
    assert (await bench.tool("several", {"times": 30}))["structuredContent"]["times"] == 30
    assert most == 4
    *inner, outer = bench.attempts
    assert len(inner) == 30
    assert {one.parent for one in inner} == {outer.decision}
    assert [step for step, _ in bench.told.steps].count("intent") == 31
    assert (await bench.tool("several", {"times": 1}))["structuredContent"]["times"] == 1


async def test_progress_counts_finished_calls_and_says_which():
    upstreams, told = FakeUpstreams(), []

    async def reports(request):
        assert request.wants_progress is False
        await request.on_notify("notifications/progress", {"progress": 99})
        await request.on_notify("notifications/message", {"level": "info"})
        return await echo(request)

    async def on_notify(method, params):
        await anyio.lowlevel.checkpoint()
        told.append((method, params))

    upstreams.serve("notes", reports)
    await desk(upstreams).tool("several", {"times": 2}, on_notify=on_notify, wants_progress=True)
    assert [params for method, params in told if method == "notifications/progress"] == [
        {"progress": 1, "message": "get"},
        {"progress": 2, "message": "get"},
    ]
    assert sum(method == "notifications/message" for method, _ in told) == 2


async def test_no_server_is_told_that_its_result_may_be_a_task():
    bench = desk()
    capabilities = {"extensions": {TASKS: {}, "other": {}}, "elicitation": {}}
    await bench.tool("several", {"times": 1}, client_capabilities=capabilities)
    assert bench.upstreams.get("notes").requests[0].client_capabilities == {
        "extensions": {"other": {}},
        "elicitation": {},
    }


def asking():
    async def asks(request):
        await anyio.lowlevel.checkpoint()
        if "inputResponses" in request.params:
            return {"content": [{"type": "text", "text": json.dumps(request.params["inputResponses"])}]}
        question = {"method": "elicitation/create", "params": {"message": "sure?", "requestedSchema": {}}}
        return {"resultType": "input_required", "inputRequests": {"a": question}, "requestState": "s"}

    upstreams = FakeUpstreams()
    upstreams.serve("notes", asks)
    return upstreams


async def test_a_client_with_a_session_is_asked_in_it():
    asked = []

    async def ask(method, params):
        await anyio.lowlevel.checkpoint()
        asked.append((method, params["message"]))
        return {"action": "accept"}

    result = await desk(asking()).tool("several", {"times": 1}, era="legacy", ask=ask)
    assert json.loads(result["structuredContent"]["last"]["content"][0]["text"]) == {"a": {"action": "accept"}}
    assert asked == [("elicitation/create", "sure?")]


async def test_a_strategy_hears_that_a_client_without_session_has_to_be_asked():
    result = await desk(asking()).tool("several", {"times": 1}, client_capabilities={"elicitation": {}})
    assert result["structuredContent"]["last"]["resultType"] == "input_required"


async def test_a_turn_that_is_given_to_who_has_left_goes_to_the_next():
    callers = Alone()
    assert callers.enter(ME, 1)
    share = Share(callers, ME, 1)
    order = []

    async def wait(name, scope):
        with scope:
            async with share.turn():
                order.append(name)

    scopes = [anyio.CancelScope() for _ in range(3)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            async with share.turn():
                for number, scope in enumerate(scopes):
                    group.start_soon(wait, number, scope)
                await anyio.wait_all_tasks_blocked()
                scopes[1].cancel()
            scopes[0].cancel()
    assert order in ([2], [0, 2])
    async with share.turn():
        assert not callers.enter(ME, 1)
        assert callers.enter(ME, 2)


@pytest.mark.parametrize(("pinned", "told"), [((), frozenset()), (("get",), frozenset({"tools"}))])
async def test_a_client_hears_of_a_change_that_it_can_see(pinned, told):
    draft = Draft(strategies={"dev": Search(max_results=5, pinned=pinned)})
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    draft.tool("dev", "notes", "list")
    key = draft.tool("dev", "notes", "get")
    before = Desk(draft).active.snapshot
    draft.deny("all", key)
    after = Snapshot(draft.bundle())
    views = [one.view("dev", *whom(one)) for one in (before, after)]
    assert changed_lists(*views) == told
    draft.deny("all", "notes/tool/list")
    gone = Snapshot(draft.bundle())
    assert changed_lists(views[0], gone.view("dev", *whom(gone))) == {"tools"}


def whom(snapshot):
    secret = hashlib.sha256(b"secret-ann").hexdigest()
    return snapshot.keyring.principal(secret, NOW), NOW.date()
