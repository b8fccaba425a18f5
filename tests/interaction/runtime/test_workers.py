"""Four workers on one port, and a new connection for every request: nobody can tell, and nothing runs twice."""

import json
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
import worlds
from four_workers import DISCOVERED, NO_TOOLS, Caller, four, status_of, workers_of
from plans import Draft, publish, recorded
from sites import listening

from meshplan.schemas.bundle import pack
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.plan import HttpTransport, Literally, StdioTransport

ASKING = Path(__file__).parents[2] / "servers" / "asking.py"
ERAS = Path(__file__).parents[1] / "matrix" / "era_upstream.py"
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
FORM = ["elicitation/create", {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}]
YES = {"action": "accept", "content": {"name": "x"}}
ELICITS, OPENS = {"elicitation": {}}, {"elicitation": {"url": {}}}


def asking(log):
    env = {"ASKING_LOG": Literally(value=str(log))}
    return StdioTransport(argv=(sys.executable, str(ASKING)), env=env, cwd=".")


def drafted(log, *, tools=("ask", "seen")):
    draft = Draft()
    draft.server("s", asking(log), sessions="per_client")
    draft.server("one", asking(log))
    for tool in tools:
        draft.tool("dev", "s", tool)
    draft.tool("dev", "one", "seen", "one_seen")
    for key in ("ann", "bob"):
        draft.key(key, f"user:{key}")
        draft.grant("all", f"user:{key}")
    return draft


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def plan(tmp_path, log):
    path = tmp_path / "plan.json"
    path.write_text(pack(drafted(log).bundle()))
    return path


async def test_sessions_work_whichever_worker_takes_the_connection(plan):
    async with four("--plan", plan) as running:
        ann, bob = Caller(running), Caller(running, "bob")
        sessions = [(caller, await caller.session(**ELICITS)) for caller in (ann, bob) for _ in range(3)]
        pids = Counter()
        for caller, session in sessions:
            seen = [(await caller.tool(session, "seen"))["pid"] for _ in range(3)]
            assert len(set(seen)) == 1
            pids[seen[0]] += 1
            other = bob if caller is ann else ann
            stolen = await other.post(other.message("tools/call", {"name": "seen"}), **session)
            assert stolen.status_code == 404
        assert len(pids) == len(sessions)
        assert len({(await caller.tool(session, "one_seen"))["pid"] for caller, session in sessions}) == 1
        for caller, session in sessions:
            async with caller.sent("DELETE", **session) as answer:
                assert answer.status_code == 204
            for _ in range(3):
                gone = await caller.post(caller.message("ping", {}), **session)
                assert gone.status_code == 404
        await ended(*pids)


async def test_questions_of_a_session_are_answered_over_any_connection(plan, log):
    async with four("--plan", plan) as running:
        heard = Counter()

        async def one(key, name):
            caller = Caller(running, key)
            session = await caller.session(**ELICITS)
            call = caller.message("tools/call", {"name": "ask", "arguments": {"asks": [FORM, FORM], "mark": name}})
            async with caller.sent("POST", call, **session) as answer:
                async for line in answer.aiter_lines():
                    found = json.loads(line[6:]) if line.startswith("data: ") else {}
                    if found.get("method") == "elicitation/create":
                        result = {**YES, "content": {"name": name}}
                        reply = {"jsonrpc": "2.0", "id": found["id"], "result": result}
                        assert (await caller.post(reply, **session)).status_code == 202
                    elif "result" in found:
                        assert [part["content"]["name"] for part in found["result"]["heard"]] == [name, name]
                        heard[name] += 1

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(one, ("ann", "bob")[number % 2], f"n{number}")
        assert heard == {f"n{number}": 1 for number in range(6)}
        assert Counter(json.loads(line)["mark"] for line in log.read_text().splitlines()) == heard


async def test_the_client_that_was_given_a_link_hears_that_it_is_done_with_whichever_process_it_was(plan):
    async with four("--plan", plan) as running:
        told = {}
        for key in ("ann", "bob"):
            caller = Caller(running, key)
            session = await caller.session(**OPENS)
            asked = {"mode": "url", "message": "Go", "url": "https://x.test/", "elicitationId": key}
            call = caller.message("tools/call", {"name": "ask", "arguments": {"asks": [["elicitation/create", asked]]}})
            async with caller.sent("POST", call, **session) as answer:
                async for line in answer.aiter_lines():
                    found = json.loads(line[6:]) if line.startswith("data: {") else {}
                    if found.get("method") == "elicitation/create":
                        reply = {"jsonrpc": "2.0", "id": found["id"], "result": {"action": "accept"}}
                        assert (await caller.post(reply, **session)).status_code == 202
            # The server says the same to every client; this one was given its own link only.
            await caller.tool(session, "seen", done=["ann", "bob", "cem"])
            async with caller.sent("GET", **session, accept="text/event-stream") as answer:
                await caller.tool(session, "seen", done=["ann", "bob"])
                told[key] = json.loads(await anext(_said(answer)))
        assert {key: message["params"] for key, message in told.items()} == {
            key: {"elicitationId": key} for key in ("ann", "bob")
        }


async def test_a_task_is_followed_through_any_worker(tmp_path):
    bell = tmp_path / "bell"
    bell.touch()
    draft = Draft()
    argv = (sys.executable, str(ERAS), "modern", str(bell))
    draft.server("s", StdioTransport(argv=argv, env={}, cwd="."), relays=("tasks",), on_drift="warn")
    draft.tool("dev", "s", "task")
    for key in ("ann", "bob"):
        draft.key(key, f"user:{key}")
        draft.grant("all", f"user:{key}")
    path = tmp_path / "plan.json"
    path.write_text(pack(draft.bundle()))
    async with four("--plan", path) as running:
        told, tasks = {}, {}
        for key in ("ann", "bob"):
            caller = Caller(running, key)
            made = await caller.modern("tools/call", {"name": "task", "arguments": {}}, **TASKS)
            tasks[key] = made["result"]["taskId"]

        async def follow(key, started):
            caller, wanted = Caller(running, key), {"taskIds": list(tasks.values())}
            body, headers = caller.modern_parts("subscriptions/listen", {"notifications": wanted}, TASKS)
            async with caller.sent("POST", body, **headers) as answer:
                said = _said(answer)
                assert json.loads(await anext(said))["params"]["notifications"] == {"taskIds": [tasks[key]]}
                started.set()
                told[key] = json.loads(await anext(said))["params"]

        async with anyio.create_task_group() as group:
            for key in ("ann", "bob"):
                started = anyio.Event()
                group.start_soon(follow, key, started)
                await started.wait()
            with bell.open("a") as stream:
                stream.write("task\n")
    assert {key: (task["taskId"], task["status"]) for key, task in told.items()} == {
        key: (task, "completed") for key, task in tasks.items()
    }


def _said(answer):
    return (line[6:] async for line in answer.aiter_lines() if line.startswith("data: {"))


async def test_parked_calls_go_on_where_they_wait_and_each_retry_counts_once(plan, log):
    async with four("--plan", plan) as running:
        for number in range(5):
            ann, bob = Caller(running), Caller(running, "bob")
            first = {"name": "ask", "arguments": {"asks": [FORM], "mark": number}}
            asked = (await ann.modern("tools/call", first, **ELICITS))["result"]
            answers = dict.fromkeys(asked["inputRequests"], YES)
            retry = {**first, "requestState": asked["requestState"], "inputResponses": answers}
            foreign = await bob.modern("tools/call", retry, **ELICITS)
            assert foreign["error"]["data"]["reason"] == "request_state"
            got = []

            async def again(retry=retry, got=got):
                got.append(await Caller(running).modern("tools/call", retry, **ELICITS))

            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(again)
            results = [found["result"] for found in got if "result" in found]
            assert [found["heard"] for found in results] == [[YES]]
            assert {found["error"]["data"]["reason"] for found in got if "error" in found} == {"request_state_gone"}
        marks = [json.loads(line)["mark"] for line in log.read_text().splitlines()]
        assert marks == list(range(5))


async def test_a_modern_servers_state_is_taken_back_once_by_all_workers_together(tmp_path):
    runs = []

    async def upstream(_scope, receive, send):
        message = json.loads((await receive())["body"])
        result = {"resultType": "complete", "content": []}
        if message["method"] == "server/discover":
            result |= DISCOVERED
        elif message["method"] == "tools/list":
            result = NO_TOOLS
        elif "requestState" not in message["params"]:
            asks = {"q": {"method": FORM[0], "params": FORM[1]}}
            result = {"resultType": "input_required", "inputRequests": asks, "requestState": "mine"}
        else:
            runs.append(message["params"]["requestState"])
        body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    async with listening(upstream) as port:
        draft = Draft()
        draft.server("u", HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None), on_drift="warn")
        draft.tool("dev", "u", "go")
        draft.key("ann", "user:ann")
        draft.grant("all", "user:ann")
        path = tmp_path / "plan.json"
        path.write_text(pack(draft.bundle()))
        async with four("--plan", path) as running:
            ann = Caller(running)
            asked = (await ann.modern("tools/call", {"name": "go", "arguments": {}}, **ELICITS))["result"]
            retry = {"name": "go", "arguments": {}, "requestState": asked["requestState"], "inputResponses": {"q": YES}}
            got = [await ann.modern("tools/call", retry, **ELICITS) for _ in range(8)]
    assert [("result" in found) for found in got] == [True] + [False] * 7
    assert runs == ["mine"]


async def test_a_new_plan_is_served_by_every_worker_before_anybody_is_told_that_it_is(tmp_path, log):
    before, after = drafted(log).bundle(), drafted(log, tools=("seen",)).bundle()
    publish(tmp_path, before, 1)
    async with four("--store", tmp_path) as running:
        ann, told = Caller(running), []
        session = await ann.session()

        async def listen(started):
            caller = Caller(running)
            body, headers = caller.modern_parts(
                "subscriptions/listen", {"notifications": {"toolsListChanged": True}}, {}
            )
            async with caller.sent("POST", body, **headers) as answer:
                async for line in answer.aiter_lines():
                    if "acknowledged" in line:
                        started.set()
                    if "tools/list_changed" in line:
                        told.append("modern")
                        return

        async def stream(started):
            async with ann.sent("GET", **session) as answer:
                started.set()
                async for line in answer.aiter_lines():
                    if "tools/list_changed" in line:
                        told.append("legacy")
                        return

        async with anyio.create_task_group() as group:
            for work in (listen, listen, listen, listen, stream):
                started = anyio.Event()
                group.start_soon(work, started)
                await started.wait()
            publish(tmp_path, after, 2)
        assert sorted(told) == ["legacy", *["modern"] * 4]
        status = await status_of(running)
        while status["active"]["seq"] != 2:
            status = await status_of(running)
        assert [(found["plan"], found["refused"]) for found in status["workers"]] == [(after.digest, None)] * 4
        for _ in range(8):
            listed = await ann.modern("tools/list", {})
            assert sorted(tool["name"] for tool in listed["result"]["tools"]) == ["one_seen", "seen"]
            refused = await ann.modern("tools/call", {"name": "ask", "arguments": {"asks": []}}, **ELICITS)
            assert refused["error"]["message"] == "Unknown tool: ask"
            assert (await status_of(running))["workers"] == status["workers"]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def ended(*pids):
    await anyio.to_thread.run_sync(worlds.until, lambda: None if any(alive(pid) for pid in pids) else True, "they end")


def children_of(pid):
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def test_a_worker_that_dies_is_replaced_and_takes_only_its_own_sessions_with_it(plan):
    async with four("--plan", plan) as running:
        ann = Caller(running)
        workers = await workers_of(running)
        sessions = [await ann.session() for _ in range(16)]
        victim = min(workers)
        os.kill(victim, signal.SIGKILL)
        now = await workers_of(running, without=victim)
        assert len(now & workers) == 3
        answers = Counter([(await ann.post(ann.message("ping", {}), **session)).status_code for session in sessions])
        assert set(answers) <= {200, 404}
        assert answers[200] > 0
        for _ in range(8):
            assert "result" in await ann.modern("tools/call", {"name": "one_seen", "arguments": {}})
        running.process.terminate()
        assert await running.process.wait() == 0
        await ended(*now)


@pytest.fixture
def short():
    """A folder whose name leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="w") as folder:
        yield Path(folder)


@pytest.mark.parametrize("victim", ["supervisor", "keeper"])
async def test_without_its_supervisor_or_keeper_nothing_stays_behind(plan, victim, short, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(short))
    async with four("--plan", plan) as running:
        ann = Caller(running)
        child = (await ann.modern("tools/call", {"name": "one_seen", "arguments": {}}))["result"]["pid"]
        supervisor, workers = running.process.pid, await workers_of(running)
        [keeper] = children_of(supervisor) - set(workers)
        os.kill(supervisor if victim == "supervisor" else keeper, signal.SIGKILL)
        await ended(*workers, keeper, child)
        assert await running.process.wait() == (-signal.SIGKILL if victim == "supervisor" else 70)
        with pytest.raises(httpx2.ConnectError):
            await status_of(running)
        assert list(short.iterdir()) == []


async def test_one_ledger_has_what_every_worker_did(tmp_path, log):
    bundle = recorded(drafted(log), durability="strict")
    path = tmp_path / "plan.json"
    path.write_text(pack(bundle))
    async with four("--plan", path, "--root", tmp_path) as running:
        ann = Caller(running)
        for _ in range(12):
            assert "result" in await ann.modern("tools/call", {"name": "one_seen", "arguments": {}})
        assert "error" in await ann.modern("tools/call", {"name": "nothing", "arguments": {}})
        running.process.terminate()
        assert await running.process.wait() == 0
    with open_chains(tmp_path / "ledger") as chains:
        [rows] = [list(chain.rows()) for chain in chains]
    intents = {row["seq"]: row["decision"] for row in rows if row["kind"] == "intent"}
    outcomes = {row["intent"]: row["decision"] for row in rows if row["outcome"] == "ok"}
    assert intents == outcomes
    assert len(intents) == 12
    assert [row["reason"] for row in rows if row["outcome"] == "denied"] == ["no_such_name"]


async def test_a_port_that_is_taken_is_not_shared_with_whoever_has_it(plan):
    async with four("--plan", plan) as running:
        port = running.base.rpartition(":")[2]
        command = [sys.executable, "-m", "meshplan.runtime", "serve", "--workers", "2", "--plan", str(plan)]
        second = await anyio.run_process([*command, "--listen", f"127.0.0.1:{port}"], check=False)
    assert second.returncode == 64
    assert b"cannot listen on" in second.stderr


async def test_a_server_without_state_may_have_an_instance_in_each_worker(tmp_path, log):
    draft = Draft()
    draft.server("shared", asking(log))
    draft.server("own", asking(log).model_copy(update={"instances": "per_worker"}))
    for name in ("shared", "own"):
        draft.tool("dev", name, "seen", f"{name}_seen")
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    path = tmp_path / "plan.json"
    path.write_text(pack(draft.bundle()))
    async with four("--plan", path) as running:
        ann = Caller(running)

        async def children(name):
            calls = [await ann.modern("tools/call", {"name": name, "arguments": {}}) for _ in range(40)]
            return {call["result"]["pid"] for call in calls}

        shared, own = await children("shared_seen"), await children("own_seen")
        assert len(shared) == 1
        assert 1 < len(own) <= 4
        assert not shared & own
        workers = await workers_of(running)
        assert all(own & children_of(worker) for worker in workers if children_of(worker))
        assert not any(shared & children_of(worker) for worker in workers)
        running.process.terminate()
        assert await running.process.wait() == 0
        await ended(*own, *shared)
