"""One endpoint over a pair of pipes, in both eras."""

import json
import os
from contextlib import asynccontextmanager

import anyio
import pytest
from plans import FakeUpstreams, simple
from sites import request

from meshplan.runtime.active import Active
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.pipes import line_writer, lines_of
from meshplan.runtime.front.stdio import StdioFront
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.snapshot import Snapshot

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = request("initialize", {"protocolVersion": "2025-06-18", "capabilities": {"elicitation": {}}}, 0)


class Pipes:
    """The client's end."""

    def __init__(self, active, attempts):
        self.active, self.attempts = active, attempts
        (self.their_in, self.to), (self.back, self.their_out) = os.pipe(), os.pipe()
        self.replies = None

    def send(self, message):
        os.write(self.to, (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")

    async def next(self):
        return json.loads(await self.replies.receive())

    async def ask(self, message):
        self.send(message)
        return await self.next()

    def leave(self):
        os.close(self.to)
        self.to = -1


@asynccontextmanager
async def serving(draft, upstreams=None):
    active, attempts, upstreams = Active(), [], upstreams or FakeUpstreams()
    draft.local = draft.local or ("user:ann",)
    active.swap(Snapshot(draft.bundle()))
    pipes = Pipes(active, attempts)
    desk = Desk(active, Invoker(active, upstreams, attempts.append))
    front = StdioFront(desk, "dev", line_writer(pipes.their_out))
    with anyio.fail_after(10):
        async with (
            lines_of(pipes.their_in, 100_000) as lines,
            lines_of(pipes.back, 100_000) as pipes.replies,
            anyio.create_task_group() as background,
        ):
            background.start_soon(desk.background.run)
            async with anyio.create_task_group() as group:
                group.start_soon(front.run, lines)
                yield pipes
                if pipes.to >= 0:
                    pipes.leave()
            background.cancel_scope.cancel()
    for end in (pipes.their_in, pipes.their_out):
        os.close(end)
    os.close(pipes.back)


def modern(method, params=None, number=1):
    return request(method, {**(params or {}), "_meta": META}, number)


async def test_the_handshake_era():
    async with serving(simple()) as pipes:
        opened = await pipes.ask(INITIALIZE)
        pipes.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        listed = await pipes.ask(request("tools/list"))
        called = await pipes.ask(request("tools/call", {"name": "get_note"}, "c"))
        again = await pipes.ask(INITIALIZE)
        mixed = await pipes.ask(modern("tools/list"))
    assert (opened["id"], opened["result"]["protocolVersion"]) == (0, "2025-06-18")
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["get_note"]
    assert called["result"] == {"content": [{"type": "text", "text": '{"name":"get"}'}]}
    assert again["error"]["code"] == mixed["error"]["code"] == -32600
    assert pipes.attempts[1].principal == "local:local"


async def test_the_later_era():
    async with serving(simple()) as pipes:
        found = await pipes.ask(modern("server/discover"))
        listed = await pipes.ask(modern("tools/list"))
        refused = await pipes.ask(modern("tools/call", {"name": "get"}))
        bare = await pipes.ask(request("tools/list"))
        old = await pipes.ask(INITIALIZE)
    assert found["result"]["supportedVersions"] == ["2026-07-28"]
    assert listed["result"]["resultType"] == "complete"
    assert refused["error"]["message"] == "Unknown tool: get"
    assert bare["error"]["code"] == old["error"]["code"] == -32602


@pytest.mark.parametrize("line", [b"{", b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', b"[]", b'"x"'])
async def test_lines_that_are_no_messages_are_answered_and_survived(line):
    async with serving(simple()) as pipes:
        error = await pipes.ask(line)
        pipes.send(b"  ")
        opened = await pipes.ask(INITIALIZE)
    assert error["error"]["code"] in (-32700, -32600)
    assert "result" in opened


async def test_a_request_before_the_handshake_is_refused():
    async with serving(simple()) as pipes:
        early = await pipes.ask(request("tools/list"))
        opened = await pipes.ask(INITIALIZE)
    assert early["error"]["code"] == -32600
    assert "result" in opened


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_cancelled_requests_get_no_answer_and_others_run_meanwhile(era):
    upstreams, begun = FakeUpstreams(), anyio.Event()

    async def work(call):
        if call.params.get("arguments"):
            begun.set()
            await anyio.sleep_forever()
        return {"content": []}

    upstreams.serve("notes", work)
    make = modern if era == "modern" else request
    async with serving(simple(), upstreams) as pipes:
        if era == "legacy":
            await pipes.ask(INITIALIZE)
        pipes.send(make("tools/call", {"name": "get_note", "arguments": {"hang": 1}}, "slow"))
        await begun.wait()
        quick = await pipes.ask(make("tools/call", {"name": "get_note"}, "quick"))
        again = await pipes.ask(make("tools/call", {"name": "get_note"}, "slow"))
        pipes.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}})
        last = await pipes.ask(make("tools/list", {}, "last"))
    assert (quick["id"], last["id"]) == ("quick", "last")
    assert again["error"]["message"] == "a request with this id is running"
    assert sorted(a.outcome for a in pipes.attempts) == ["cancelled", "invalid", "ok", "ok"]


async def test_a_question_is_asked_on_the_pipe():
    upstreams = FakeUpstreams()

    async def work(call):
        if "inputResponses" in call.params:
            return {"content": [], "structuredContent": call.params["inputResponses"]}
        ask = {"method": "elicitation/create", "params": {"message": "?"}}
        return {"resultType": "input_required", "inputRequests": {"k": ask}}

    upstreams.serve("notes", work)
    async with serving(simple(), upstreams) as pipes:
        await pipes.ask(INITIALIZE)
        question = await pipes.ask(request("tools/call", {"name": "get_note"}, 5))
        final = await pipes.ask({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}})
    assert question["method"] == "elicitation/create"
    assert final["result"]["structuredContent"] == {"k": {"action": "decline"}}


async def test_a_new_plan_is_told_and_running_requests_finish_after_the_client_closed_its_end():
    upstreams, begun, release = FakeUpstreams(), anyio.Event(), anyio.Event()

    async def work(_):
        begun.set()
        await release.wait()
        return {"content": []}

    upstreams.serve("notes", work)
    draft = simple()
    async with serving(draft, upstreams) as pipes:
        await pipes.ask(INITIALIZE)
        draft.tool("dev", "notes", "add")
        pipes.active.swap(Snapshot(draft.bundle()))
        changed = await pipes.next()
        pipes.send(request("tools/call", {"name": "get_note"}, 6))
        await begun.wait()
        pipes.leave()
        release.set()
        final = await pipes.next()
    assert changed["method"] == "notifications/tools/list_changed"
    assert final["id"] == 6


async def test_batches_of_the_first_revision():
    async with serving(simple()) as pipes:
        await pipes.ask(request("initialize", {"protocolVersion": "2025-03-26"}, 0))
        answers = await pipes.ask([request("ping", {}, 1), request("tools/list", {}, 2)])
    assert [answer["id"] for answer in answers] == [1, 2]


async def test_listening_ends_when_the_client_leaves():
    async with serving(simple()) as pipes:
        acknowledged = await pipes.ask(
            modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, "s")
        )
        pipes.leave()
        final = await pipes.next()
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert final["id"] == "s"


class InEra:
    """A client of one era with a tool, a resource and a subscription to it."""

    def __init__(self, era, pipes):
        self.pipes, self.make = pipes, modern if era == "modern" else request
        self.modern, self.told = era == "modern", []

    async def open(self):
        if self.modern:
            wanted = {"toolsListChanged": True, "resourcesListChanged": True, "resourceSubscriptions": ["note://1"]}
            acknowledged = await self.pipes.ask(self.make("subscriptions/listen", {"notifications": wanted}, "s"))
            assert acknowledged["params"]["notifications"] == wanted
        else:
            await self.pipes.ask(INITIALIZE)
            done = await self.ask("resources/subscribe", {"uri": "note://1"})
            assert done.get("result") == {}, done

    async def ask(self, method, params=None):
        """The answer to a request; what is told before it is kept."""
        self.pipes.send(self.make(method, params or {}, method))
        while (message := await self.pipes.next()).get("id") != method:
            self.told.append(message)
        return message

    async def hear(self, count):
        """So many more messages that answer none of ``ask``."""
        while len(self.told) < count:
            self.told.append(await self.pipes.next())
        heard, self.told = self.told, []
        return heard


def with_a_note():
    draft = simple()
    draft.server("notes", relays=("subscribe",))
    draft.allow("all", key := draft.define("notes", "resource", {"uri": "note://1", "name": "note"}))
    draft.offer("dev", key)
    return draft


async def let_go(notes):
    with anyio.fail_after(5):
        while notes.subscribers["note://1"]:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_plan_without_the_grant_takes_effect_in_the_open_session(era):
    upstreams, draft = FakeUpstreams(), with_a_note()
    async with serving(draft, upstreams) as pipes:
        client, notes = InEra(era, pipes), upstreams.get("notes")
        await client.open()
        assert "result" in await client.ask("tools/call", {"name": "get_note"})
        notes.update("note://1")
        assert [told["method"] for told in await client.hear(1)] == ["notifications/resources/updated"]
        sent = len(notes.requests)
        holding, draft.grants = tuple(notes.subscribers["note://1"]), []
        pipes.active.swap(Snapshot(draft.bundle()))
        refused = await client.ask("tools/call", {"name": "get_note"})
        unread = await client.ask("resources/read", {"uri": "note://1"})
        lists = [(await client.ask(f"{name}/list"))["result"][name] for name in ("tools", "resources")]
        changed = {told["method"] for told in await client.hear(2)}
        await let_go(notes)
        for on_update in holding:
            on_update("note://1")
        assert "result" in await client.ask("tools/list")
        silence = client.told
    assert len(holding) == 1
    assert refused["error"]["message"] == "Unknown tool: get_note"
    assert refused["error"]["data"]["reason"] == "not_available"
    assert unread["error"]["data"]["reason"] == "not_available"
    assert len(notes.requests) == sent
    assert lists == [[], []]
    assert changed == {"notifications/tools/list_changed", "notifications/resources/list_changed"}
    assert silence == []
    assert [(a.method, a.reason) for a in pipes.attempts if a.outcome == "denied"] == [
        ("tools/call", "no_allow"), ("resources/read", "no_allow"),
    ]  # fmt: skip


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_plan_without_the_local_profile_ends_the_standing_of_the_open_session(era):
    upstreams, draft = FakeUpstreams(), with_a_note()
    async with serving(draft, upstreams) as pipes:
        client, notes = InEra(era, pipes), upstreams.get("notes")
        await client.open()
        assert "result" in await client.ask("tools/list")
        draft.local = None
        pipes.active.swap(Snapshot(draft.bundle()))
        answers = [await client.ask(method) for method in ("tools/list", "resources/list")]
        call = await client.ask("tools/call", {"name": "get_note"})
        if era == "modern":
            assert [told["id"] for told in await client.hear(1)] == ["s"]
        await let_go(notes)
    assert {answer["error"]["data"]["reason"] for answer in (*answers, call)} == {"unauthenticated"}
    assert notes.requests == []


async def test_a_line_that_is_too_long_ends_the_input():
    (theirs, ours) = os.pipe()
    os.write(ours, b"short\n" + b"x" * 500 + b"\nnext\n")
    os.close(ours)
    with anyio.fail_after(5):
        async with lines_of(theirs, 100) as lines:
            assert [line async for line in lines] == [b"short"]
    os.close(theirs)
