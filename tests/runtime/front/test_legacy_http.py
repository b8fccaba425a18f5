"""Sessions of 2025-03-26 to 2025-11-25 over HTTP: ownership, batches, streams, questions and cancellation."""

import json

import anyio
import pytest
from plans import FakeUpstreams, simple
from sites import ACCEPT, bearer, events, request, site

from meshplan.runtime.front.sessions import IDLE
from meshplan.runtime.snapshot import Snapshot

CALL = request("tools/call", {"name": "get_note", "arguments": {"id": 4}}, 2)
QUESTION = {
    "resultType": "input_required",
    "requestState": "sealed",
    "inputRequests": {"sure": {"method": "elicitation/create", "params": {"message": "sure?", "requestedSchema": {}}}},
}


def asking():
    """An upstream that asks once, and then says what it was answered."""
    upstreams = FakeUpstreams()

    async def work(call):
        if "inputResponses" not in call.params:
            return QUESTION
        return {"content": [], "structuredContent": call.params, "resultType": "complete"}

    upstreams.serve("notes", work)
    return upstreams


async def lines_of(response):
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


@pytest.mark.parametrize(
    ("wanted", "given"),
    [("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2024-11-05", "2025-11-25"), ("x", "2025-11-25")],
)
async def test_initialize_negotiates_and_answers_from_the_plan(wanted, given):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        response = await found.legacy(request("initialize", {"protocolVersion": wanted, "capabilities": {}}))
        result = response.json()["result"]
    assert (result["protocolVersion"], result["serverInfo"]["name"]) == (given, "dev")
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert len(response.headers["mcp-session-id"]) >= 32


async def test_a_session_lists_calls_and_pings_without_members_of_the_later_revision():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        session = await found.session()
        initialized = await found.legacy({"jsonrpc": "2.0", "method": "notifications/initialized"}, session=session)
        listed = (await found.legacy(request("tools/list"), session=session)).json()["result"]
        called = (await found.legacy(CALL, session=session)).json()["result"]
        pinged = (await found.legacy(request("ping"), session=session)).json()["result"]
    assert initialized.status_code == 202
    assert [tool["name"] for tool in listed.pop("tools")] == ["get_note"]
    assert listed == {}
    assert called == {"content": [{"type": "text", "text": '{"arguments":{"id":4},"name":"get"}'}]}
    assert pinged == {}


async def test_a_session_is_nothing_to_another_principal_and_gone_after_delete():
    draft = simple()
    draft.grant("all", "user:bob")
    async with site(draft.bundle(), FakeUpstreams()) as found:
        session = await found.session()
        foreign = await found.legacy(CALL, session=session, key="bob")
        guessed = await found.legacy(CALL, session="x" * 32)
        missing = await found.legacy(CALL)
        wrong = await found.legacy(CALL, session=session, headers={"mcp-protocol-version": "2025-03-26"})
        right = await found.legacy(CALL, session=session, headers={"mcp-protocol-version": "2025-11-25"})
        headers = {**bearer("bob"), "mcp-session-id": session}
        stolen = await found.client.delete(found.url(), headers=headers)
        deleted = await found.client.delete(found.url(), headers={**headers, **bearer("ann")})
        after = await found.legacy(CALL, session=session)
    assert [r.status_code for r in (foreign, guessed, missing, wrong, right)] == [404, 404, 400, 400, 200]
    assert [r.status_code for r in (stolen, deleted, after)] == [404, 204, 404]


async def test_an_idle_session_expires():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        session, begin = await found.session(), found.front.sessions.now
        found.front.sessions.now = lambda: begin() + IDLE + 1
        assert (await found.legacy(CALL, session=session)).status_code == 404


async def test_batches_belong_to_the_first_revision_and_each_element_is_decided():
    batch = [
        request("tools/call", {"name": "get_note"}, "a"),
        {"jsonrpc": "2.0", "method": "notifications/x"},
        request("tools/call", {"name": "get"}, "b"),
        {"jsonrpc": "2.0", "id": "c"},
        request("initialize", {}, "d"),
    ]
    async with site(simple().bundle(), FakeUpstreams()) as found:
        old, new = await found.session(version="2025-03-26"), await found.session(version="2025-06-18")
        answers = (await found.legacy(batch, session=old)).json()
        refused = await found.legacy(batch, session=new)
        silent = await found.legacy([{"jsonrpc": "2.0", "method": "notifications/x"}], session=old)
        empty = await found.legacy([], session=old)
    assert [(a["id"], a.get("error", {}).get("code")) for a in answers] == [
        ("a", None),
        ("b", -32602),
        ("c", -32600),
        ("d", -32600),
    ]
    assert refused.json()["error"]["code"] == empty.json()["error"]["code"] == -32600
    assert silent.status_code == 202


async def test_a_question_of_the_upstream_reaches_the_client_and_its_answer_finishes_the_call():
    upstreams = asking()
    async with site(simple().bundle(), upstreams) as found:
        session = await found.session(capabilities={"elicitation": {}})
        headers = {"accept": ACCEPT, "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("POST", found.url(), json=CALL, headers=headers) as response:
            lines = lines_of(response)
            with anyio.fail_after(5):
                question = await anext(lines)
                reply = {
                    "jsonrpc": "2.0",
                    "id": question["id"],
                    "result": {"action": "accept", "content": {"ok": True}},
                }
                assert (await found.legacy(reply, session=session)).status_code == 202
                final = await anext(lines)
        outcomes = [(a.outcome, a.call) for a in found.attempts]
    assert question["method"] == "elicitation/create"
    sent = final["result"]["structuredContent"]
    assert sent["inputResponses"] == {"sure": {"action": "accept", "content": {"ok": True}}}
    assert sent["requestState"] == "sealed"
    assert "resultType" not in final["result"]
    assert [outcome for outcome, _ in outcomes] == ["input_required", "ok"]
    assert len({call for _, call in outcomes}) == 1
    assert upstreams.get("notes").requests[0].client_capabilities == {"elicitation": {}}


async def test_a_client_that_cannot_be_asked_gets_a_clear_error():
    async with site(simple().bundle(), asking()) as found:
        session = await found.session(capabilities={"sampling": {}})
        error = (await found.legacy(CALL, session=session)).json()["error"]
    assert error["code"] == -31005
    assert error["data"] == {"reason": "client_capability", "method": "elicitation/create"}


async def test_another_session_cannot_answer_the_question():
    async with site(simple().bundle(), asking()) as found:
        session = await found.session(capabilities={"elicitation": {}})
        other = await found.session(capabilities={"elicitation": {}})
        headers = {"accept": ACCEPT, "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("POST", found.url(), json=CALL, headers=headers) as response:
            lines = lines_of(response)
            with anyio.fail_after(5):
                question = await anext(lines)
                reply = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
                await found.legacy(reply, session=other)
                refusal = {"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}}
                await found.legacy(refusal, session=session)
                final = await anext(lines)
    assert final["error"] == {"code": -1, "message": "no"}


@pytest.mark.parametrize("how", ["cancelled", "late", "stopped"])
async def test_a_question_that_nobody_waits_for_any_more_is_withdrawn(how, monkeypatch):
    if how == "late":
        monkeypatch.setattr("meshplan.runtime.front.session.ASK_TIMEOUT", 0.05)
    async with site(simple().bundle(), asking()) as found:
        session = await found.session(capabilities={"elicitation": {}})
        headers = {"accept": ACCEPT, "mcp-session-id": session, **bearer("ann")}
        with anyio.fail_after(10):
            async with found.client.stream("POST", found.url(), json=CALL, headers=headers) as response:
                lines = (line async for line in response.aiter_lines() if line.startswith("data: {"))
                question = json.loads((await anext(lines))[6:])
                if how == "cancelled":
                    params = {"requestId": CALL["id"]}
                    stop = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
                    assert (await found.legacy(stop, session=session)).status_code == 202
                if how == "stopped":
                    found.front.stop()
                rest = [json.loads(line[6:]) async for line in lines]
    assert (rest[0]["method"], rest[0]["params"]["requestId"]) == ("notifications/cancelled", question["id"])
    assert [message["error"]["data"]["reason"] for message in rest[1:]] == ["client_silent"] * (how != "cancelled")


async def test_cancelled_stops_the_request_and_a_disconnect_does_not():
    upstreams, begun, ended, release = FakeUpstreams(), anyio.Event(), anyio.Event(), anyio.Event()

    async def hang(call):
        if call.params.get("arguments"):
            begun.set()
            await anyio.sleep_forever()
        await release.wait()
        ended.set()
        return {"content": []}

    upstreams.serve("notes", hang)
    patient = request("tools/call", {"name": "get_note"}, 9)
    async with site(simple().bundle(), upstreams) as found:
        session = await found.session()
        headers = {"accept": ACCEPT, "mcp-session-id": session, **bearer("ann")}
        async with anyio.create_task_group() as group:
            with anyio.fail_after(5):
                response = None

                async def call():
                    nonlocal response
                    response = await found.legacy(CALL, session=session)

                group.start_soon(call)
                await begun.wait()
                note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
                await found.legacy(note, session=session)
        with anyio.move_on_after(0.2):
            await found.client.post(found.url(), json=patient, headers=headers)
        release.set()
        with anyio.fail_after(5):
            await ended.wait()
    assert response.status_code == 202
    assert [a.outcome for a in found.attempts] == ["cancelled", "ok"]


async def test_progress_keeps_the_callers_token_and_makes_the_answer_a_stream():
    upstreams = FakeUpstreams()

    async def work(call):
        await call.on_notify("notifications/progress", {"progress": 0.5, "progressToken": "inner"})
        return {"content": [], "resultType": "complete"}

    upstreams.serve("notes", work)
    params = {"name": "get_note", "_meta": {"progressToken": "mine"}}
    async with site(simple().bundle(), upstreams) as found:
        session = await found.session()
        response = await found.legacy(request("tools/call", params), session=session)
    progress, final = events(response.text)
    assert progress["params"] == {"progress": 0.5, "progressToken": "mine"}
    assert final["result"] == {"content": []}
    assert "_meta" not in upstreams.get("notes").requests[0].params


async def test_the_get_stream_tells_of_a_new_plan_is_one_a_session_and_ends_with_the_key():
    draft = simple()
    async with site(draft.bundle(), FakeUpstreams()) as found:
        session = await found.session()
        headers = {"accept": "text/event-stream", "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("GET", found.url(), headers=headers) as response:
            second = await found.client.get(found.url(), headers=headers)
            draft.tool("dev", "notes", "add")
            found.active.swap(Snapshot(draft.bundle()))
            lines = lines_of(response)
            with anyio.fail_after(5):
                changed = await anext(lines)
                del draft.keys["ann"]
                found.active.swap(Snapshot(draft.bundle()))
                rest = [line async for line in lines]
        refused = await found.legacy(CALL, session=session)
    assert (response.status_code, second.status_code) == (200, 409)
    assert changed == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    assert rest == []
    assert refused.status_code == 401


async def test_a_plan_that_changes_nothing_for_a_caller_tells_it_nothing():
    draft = simple()
    async with site(draft.bundle(), FakeUpstreams()) as found:
        session = await found.session()
        headers = {"accept": "text/event-stream", "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("GET", found.url(), headers=headers) as response:
            draft.key("eve", "user:eve")
            found.active.swap(Snapshot(draft.bundle()))
            found.active.close()
            with anyio.fail_after(5):
                assert [line async for line in lines_of(response)] == []


async def test_a_log_level_is_taken_where_logging_is_relayed():
    draft = simple()
    draft.server("notes", relays=("logging",))
    upstreams = FakeUpstreams()
    async with site(draft.bundle(), upstreams) as found:
        session = await found.session()
        right = await found.legacy(request("logging/setLevel", {"level": "warning"}), session=session)
        wrong = await found.legacy(request("logging/setLevel", {"level": "loud"}), session=session)
        await found.legacy(CALL, session=session)
    async with site(simple().bundle(), FakeUpstreams()) as found:
        session = await found.session()
        absent = await found.legacy(request("logging/setLevel", {"level": "info"}), session=session)
    assert (right.json()["result"], wrong.json()["error"]["code"]) == ({}, -32602)
    assert absent.json()["error"]["code"] == -32601
    assert upstreams.get("notes").requests[0].log_level == "warning"
