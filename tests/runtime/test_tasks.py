"""Tasks: routed by their id, which is good for one principal at one endpoint, and decided anew each time."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest
from plans import Draft, FakeUpstreams
from sites import site

from meshplan.runtime.snapshot import Snapshot

TASKS = "io.modelcontextprotocol/tasks"
CLIENT = {"extensions": {TASKS: {}, "x/y": {}}}


class Runner:
    """A server whose tool `run` makes a task, as the extension spells it."""

    def __init__(self):
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        task = {"taskId": "t-1", "status": "working", "createdAt": "x", "lastUpdatedAt": "x", "ttlMs": None}
        link = {"type": "resource_link", "uri": "file:///pub/a", "name": "a"}
        match request.method:
            case "tools/call":
                return {"resultType": "task", **task, "novel": 1}
            case "tasks/get":
                return {"resultType": "complete", **task, "status": "completed", "result": {"content": [link]}}
            case _:
                return {"resultType": "complete"}


def draft(relays=("tasks",)):
    found = Draft()
    found.server("s", relays=relays)
    found.tool("dev", "s", "run")
    found.tool("other", "s", "run")
    found.live["dev"] = ("s",)
    for name in ("ann", "bob"):
        found.key(name, f"user:{name}")
        found.grant("all", f"user:{name}")
    return found


def upstreams(runner):
    found = FakeUpstreams()
    found.serve("s", runner)
    return found


async def start(found, **more):
    answer = await found.modern("tools/call", {"name": "run"}, capabilities=CLIENT, **more)
    return answer.json()["result"]


async def operate(found, method, task, **more):
    sent = {"headers": {"mcp-name": task}, **more}
    return await found.modern(method, {"taskId": task, "inputResponses": {"q": {}}}, capabilities=CLIENT, **sent)


async def test_an_operation_reaches_the_task_under_its_own_id():
    runner = Runner()
    async with site(draft().bundle(), upstreams(runner)) as found:
        made = await start(found)
        assert (made["resultType"], made["status"], made["novel"]) == ("task", "working", 1)
        assert made["taskId"] != "t-1"
        assert runner.requests[0].client_capabilities == CLIENT
        got = (await operate(found, "tasks/get", made["taskId"])).json()["result"]
        assert (got["taskId"], got["status"]) == (made["taskId"], "completed")
        assert got["result"]["content"][0]["uri"] == "s+file:///pub/a"
        for method in ("tasks/update", "tasks/cancel"):
            assert (await operate(found, method, made["taskId"])).json()["result"]["resultType"] == "complete"
        sent = [(request.method, request.params["taskId"]) for request in runner.requests[1:]]
        assert sent == [("tasks/get", "t-1"), ("tasks/update", "t-1"), ("tasks/cancel", "t-1")]
        assert runner.requests[2].params["inputResponses"] == {"q": {}}
        assert [attempt.capability for attempt in found.attempts] == ["s/tool/run"] * 4


async def test_nobody_reaches_the_task_of_another():
    runner = Runner()
    async with site(draft().bundle(), upstreams(runner)) as found:
        task = (await start(found))["taskId"]
        refused = [
            await operate(found, "tasks/get", task, key="bob"),
            await operate(found, "tasks/cancel", task, endpoint="other"),
            await operate(found, "tasks/get", "t-1"),
            await operate(found, "tasks/get", task[:-2] + ("AA" if task[-2:] != "AA" else "BB")),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
            assert answer.json()["error"]["data"] == {"reason": "not_available"}
        assert len(runner.requests) == 1
        wrong = await operate(found, "tasks/get", task, headers={"mcp-name": "other"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)


async def test_each_operation_is_decided_anew():
    runner, plan = Runner(), draft()
    async with site(plan.bundle(), upstreams(runner)) as found:
        task = (await start(found))["taskId"]
        plan.deny("all", "s/tool/run")
        found.active.swap(Snapshot(plan.bundle()))
        assert (await operate(found, "tasks/cancel", task)).json()["error"]["message"].startswith("Unknown task")
        assert found.attempts[-1].outcome == "denied"


@asynccontextmanager
async def following(found, *tasks, capabilities=CLIENT, **more):
    """What is said to a client that follows tasks, one message after the other, and the id of its request."""
    wanted = {"notifications": {"taskIds": list(tasks)}}
    body, headers = found.modern_parts("subscriptions/listen", wanted, capabilities=capabilities, **more)
    async with found.client.stream("POST", found.url(), json=body, headers=headers) as response:
        yield (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: ")), body["id"]


def ended(task="t-1"):
    link = {"type": "resource_link", "uri": "file:///pub/a", "name": "a"}
    return {"taskId": task, "status": "completed", "result": {"content": [link]}, "_meta": {"x/y": 1}, "novel": [None]}


async def test_who_follows_a_task_hears_of_it_under_its_own_id_and_nobody_else_does():
    pool = upstreams(Runner())
    async with site(draft().bundle(), pool) as found:
        ann, bob = (await start(found))["taskId"], (await start(found, key="bob"))["taskId"]
        # One's own, somebody else's, the server's own id, nonsense, and one's own once more.
        async with following(found, ann, bob, "t-1", 7, "", ann) as (messages, number):
            meta = {"io.modelcontextprotocol/subscriptionId": number}
            with anyio.fail_after(5):
                acknowledged = await anext(messages)
                pool.get("s").tell(ended())
                told = await anext(messages)
            [(followed, _)] = pool.get("s").followers
            found.active.close()
        assert acknowledged["params"] == {"notifications": {"taskIds": [ann]}, "_meta": meta}
        assert (followed.id, followed.client.owner) == ("t-1", ("key", "ann"))
        link = {"type": "resource_link", "uri": "s+file:///pub/a", "name": "a"}
        assert told["method"] == "notifications/tasks"
        assert told["params"] == {
            **ended(),
            "taskId": ann,
            "result": {"content": [link]},
            "_meta": {"x/y": 1, **meta},
        }
        recorded = [(attempt.method, attempt.capability, attempt.outcome) for attempt in found.attempts[2:]]
        assert recorded[0] == ("subscriptions/listen", "s/tool/run", "ok")
        assert {outcome for _, _, outcome in recorded[1:]} == {"denied"}


async def test_each_update_is_decided_anew_and_a_task_that_is_not_ones_any_more_is_let_go():
    pool, plan = upstreams(Runner()), draft()
    async with site(plan.bundle(), pool) as found:
        task = (await start(found))["taskId"]
        async with following(found, task) as (messages, _):
            with anyio.fail_after(5):
                await anext(messages)
                [(_, on_task)] = pool.get("s").followers
                plan.deny("all", "s/tool/run")
                found.active.swap(Snapshot(plan.bundle()))
                on_task(ended())
                while pool.get("s").followers:
                    await anyio.wait_all_tasks_blocked()
                found.active.close()
                rest = [message async for message in messages]
        assert [message.get("method") for message in rest] == [None]


async def test_only_a_client_that_declares_the_extension_may_follow_tasks():
    pool = upstreams(Runner())
    async with site(draft().bundle(), pool) as found:
        refused = await found.modern("subscriptions/listen", {"notifications": {"taskIds": ["x"]}})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, -32021)
        assert error["data"] == {"requiredCapabilities": {"extensions": {TASKS: {}}}}
    async with (
        site(draft(relays=()).bundle(), pool) as found,
        following(found, "x", capabilities={}) as (messages, _),
    ):
        with anyio.fail_after(5):
            assert (await anext(messages))["params"]["notifications"] == {}
        found.active.close()


@pytest.mark.parametrize("relays", [(), ("tasks",)])
async def test_it_is_advertised_and_declared_only_where_the_server_has_it(relays):
    runner = Runner()
    async with site(draft(relays).bundle(), upstreams(runner)) as found:
        capabilities = (await found.modern("server/discover")).json()["result"]["capabilities"]
        assert capabilities.get("extensions") == ({TASKS: {}} if relays else None)
        await start(found)
        assert (TASKS in runner.requests[0].client_capabilities["extensions"]) == bool(relays)
        undeclared = await found.modern("tasks/get", {"taskId": "t-1"}, headers={"mcp-name": "t-1"})
        error = undeclared.json()["error"]
        if relays:
            assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"extensions": {TASKS: {}}}})
        else:
            assert (undeclared.status_code, error["code"]) == (404, -32601)
        session = await found.session(capabilities=CLIENT)
        message = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "t-1"}}
        assert (await found.legacy(message, session=session)).json()["error"]["code"] == -32601
