"""Updates of resources: decided when they are asked for and again when they are told, for both eras."""

import json

import anyio
import pytest
from plans import FakeUpstreams, echo, simple
from sites import bearer, events, request, site

from meshplan.runtime.snapshot import Snapshot

URI = "note://1"


def draft_with_resources(*, relays=("subscribe",)):
    draft = simple()
    draft.server("notes", relays=relays)
    for uri in (URI, "note://refused"):
        key = draft.define("notes", "resource", {"uri": uri, "name": uri})
        draft.offer("dev", key, uri.replace("note", "shown"))
        draft.allow("all", key)
    return draft


def subscribe(uri, method="resources/subscribe", number=1):
    return request(method, {"uri": uri}, number)


async def lines_of(response):
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def eventually(condition):
    for _ in range(500):
        if condition():
            return
        await anyio.sleep(0.01)
    raise AssertionError("it did not come about")


async def test_a_session_is_told_of_what_it_subscribed_to_under_the_name_that_it_knows():
    upstreams = FakeUpstreams()
    async with site(draft_with_resources().bundle(), upstreams) as found:
        session, other = await found.session(), await found.session()
        done = await found.legacy(subscribe("shown://1"), session=session)
        again = await found.legacy(subscribe("shown://1"), session=session)
        refused = await found.legacy(subscribe("shown://refused"), session=session)
        unknown = await found.legacy(subscribe("note://1"), session=session)
        notes = upstreams.get("notes")
        notes.update(URI)
        headers = {"accept": "text/event-stream", **bearer("ann")}
        async with (
            found.client.stream("GET", found.url(), headers={**headers, "mcp-session-id": session}) as response,
            found.client.stream("GET", found.url(), headers={**headers, "mcp-session-id": other}) as silent,
        ):
            lines = lines_of(response)
            with anyio.fail_after(5):
                missed = await anext(lines)
                notes.update("note://1/sub", of=URI)
                notes.update(URI)
                told = await anext(lines)
            held = len(notes.subscribers[URI])
            await found.legacy(subscribe("shown://1", "resources/unsubscribe"), session=session)
            await eventually(lambda: not notes.subscribers[URI])
            found.active.close()
            with anyio.fail_after(5):
                assert [line async for line in lines_of(silent)] == []
        outcomes = [(attempt.method, attempt.outcome) for attempt in found.attempts]
    assert (done.json()["result"], again.json()["result"]) == ({}, {})
    assert (refused.json()["error"]["code"], unknown.json()["error"]["code"]) == (-32601, -32002)
    update = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "shown://1"}}
    assert (missed, told) == (update, update)
    assert held == 1
    assert outcomes == [("resources/subscribe", word) for word in ("ok", "ok", "upstream_error", "denied")]


async def test_the_end_of_a_session_lets_go_of_its_subscriptions():
    upstreams = FakeUpstreams()
    async with site(draft_with_resources().bundle(), upstreams) as found:
        session = await found.session()
        await found.legacy(subscribe("shown://1"), session=session)
        assert len(upstreams.get("notes").subscribers[URI]) == 1
        await found.client.delete(found.url(), headers={**bearer("ann"), "mcp-session-id": session})
        await eventually(lambda: not upstreams.get("notes").subscribers[URI])


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
async def test_where_no_server_announces_updates_there_is_no_such_method(method):
    async with site(draft_with_resources(relays=()).bundle(), FakeUpstreams()) as found:
        session = await found.session()
        answer = await found.legacy(subscribe("shown://1", method), session=session)
        discovered = (await found.modern("server/discover")).json()["result"]
    assert answer.json()["error"]["code"] == -32601
    assert discovered["capabilities"]["resources"] == {"listChanged": True}


async def test_a_modern_stream_says_which_subscriptions_it_has_and_tells_until_they_are_revoked():
    upstreams, draft = FakeUpstreams(), draft_with_resources()
    async with site(draft.bundle(), upstreams) as found:
        wanted = {"resourceSubscriptions": ["shown://1", "shown://refused", "shown://none", 7]}
        body, headers = found.modern_parts("subscriptions/listen", {"notifications": wanted})
        async with found.client.stream("POST", found.url(), json=body, headers=headers) as response:
            lines = lines_of(response)
            with anyio.fail_after(5):
                acknowledged = await anext(lines)
                upstreams.get("notes").update(URI)
                told = await anext(lines)
                draft.deny("all", *(key for key in draft.capabilities if key.endswith(URI)))
                found.active.swap(Snapshot(draft.bundle()))
                upstreams.get("notes").update(URI)
                found.active.close()
                rest = [line async for line in lines]
        await eventually(lambda: not upstreams.get("notes").subscribers[URI])
        gone = await found.modern("resources/subscribe", {"uri": "shown://1"})
    meta = {"io.modelcontextprotocol/subscriptionId": body["id"]}
    assert acknowledged["params"] == {"notifications": {"resourceSubscriptions": ["shown://1"]}, "_meta": meta}
    assert told["params"] == {"uri": "shown://1", "_meta": meta}
    assert [message.get("method") for message in rest] == [None]
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, -32601)


async def test_a_client_that_was_away_hears_that_the_lists_may_have_changed():
    draft = draft_with_resources()
    async with site(draft.bundle(), FakeUpstreams()) as found:
        session = await found.session()
        headers = {"accept": "text/event-stream", "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("GET", found.url(), headers=headers):
            pass
        await eventually(lambda: not any(s.busy for s in found.front.sessions._sessions.values()))
        draft.tool("dev", "notes", "add")
        found.active.swap(Snapshot(draft.bundle()))
        found.active.close()
        again = await found.client.get(found.url(), headers=headers)
    told = [message["method"] for message in events(again.text.replace("data:\n", ""))]
    assert told == ["notifications/resources/list_changed", "notifications/tools/list_changed"]


def elsewhere():
    """The same mesh, whose server has another transport."""
    draft = draft_with_resources()
    server = draft.servers["notes"]
    moved = server.transport.model_copy(update={"url": "http://127.0.0.1:2/mcp"})
    draft.servers["notes"] = server.model_copy(update={"transport": moved})
    return draft


async def test_a_server_that_moved_is_subscribed_to_anew_and_the_client_reads_again():
    upstreams = FakeUpstreams()
    async with site(draft_with_resources().bundle(), upstreams) as found:
        session = await found.session()
        await found.legacy(subscribe("shown://1"), session=session)
        body, headers = found.modern_parts(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["shown://1"]}}
        )
        before = upstreams.get("notes")
        async with (
            found.client.stream("POST", found.url(), json=body, headers=headers) as modern,
            found.client.stream(
                "GET", found.url(), headers={"accept": "text/event-stream", "mcp-session-id": session, **bearer("ann")}
            ) as own,
        ):
            lines = [lines_of(modern), lines_of(own)]
            with anyio.fail_after(5):
                await anext(lines[0])
                after = upstreams.serve("notes", echo)
                found.active.swap(Snapshot(elsewhere().bundle()))
                told = [await anext(each) for each in lines]
                after.update(URI)
                told += [await anext(each) for each in lines]
            held = (len(before.subscribers[URI]), len(after.subscribers[URI]))
            found.active.close()
        await eventually(lambda: len(after.subscribers[URI]) == 1)
    assert [message["params"]["uri"] for message in told] == ["shown://1"] * 4
    assert held == (0, 2)
    assert [attempt.method for attempt in found.attempts].count("resources/subscribe") == 4


async def test_a_plan_that_leaves_the_transport_alone_asks_for_nothing_again():
    upstreams = FakeUpstreams()
    async with site(draft_with_resources().bundle(), upstreams) as found:
        session = await found.session()
        await found.legacy(subscribe("shown://1"), session=session)
        draft = draft_with_resources()
        draft.tool("dev", "notes", "another")
        found.active.swap(Snapshot(draft.bundle()))
        await anyio.wait_all_tasks_blocked()
        assert len(upstreams.get("notes").subscribers[URI]) == 1
        assert len(found.attempts) == 1


async def test_a_subscription_that_may_not_be_any_more_is_not_asked_for_at_the_new_place():
    upstreams = FakeUpstreams()
    async with site(draft_with_resources().bundle(), upstreams) as found:
        session = await found.session()
        await found.legacy(subscribe("shown://1"), session=session)
        before, after = upstreams.get("notes"), upstreams.serve("notes", echo)
        draft = elsewhere()
        draft.deny("all", *(key for key in draft.capabilities if key.endswith(URI)))
        found.active.swap(Snapshot(draft.bundle()))
        await eventually(lambda: not before.subscribers[URI])
        await eventually(lambda: len(found.attempts) == 2)
        assert found.attempts[-1].outcome == "denied"
        assert not after.subscribers.get(URI)
