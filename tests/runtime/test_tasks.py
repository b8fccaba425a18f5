"""Tasks: routed by their id, which is good for one principal at one endpoint, and decided anew each time."""

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
