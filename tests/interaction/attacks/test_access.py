"""Attacks on what a caller may do: none reaches a server, each is recorded once with its reason, none tells what exists."""

import json

import anyio
import pytest
from paths import field_of_all_paths
from rows import ALL, ROWS, called
from sites import bearer, request

from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.bundle import seal


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def field(anyio_backend, tmp_path_factory):
    async with field_of_all_paths(tmp_path_factory.mktemp("field")) as found:
        yield found


@pytest.mark.parametrize(("row", "path"), [(row, path) for row in ROWS for path in row.paths], ids=str)
async def test_an_attack_is_refused_and_its_twin_is_not(field, row, path):
    way = await field.way(path)
    refused = await way.send(row.method, row.attack, change=row.change, headers=row.headers)
    assert "error" in refused, refused
    assert field.oracle.new() == []
    headers = {"mcp-param-region": "eu", "mcp-param-size": "7"} if row.headers else None
    method = "tools/call" if row.reason == "method_not_found" else row.method
    permitted = await way.send(method, row.twin, headers=headers)
    assert "result" in permitted, permitted
    assert await way.outcomes() == [(row.outcome, row.reason), ("ok", "allowed")]
    assert [seen["method"] for seen in field.oracle.new()] == [method]
    field.dirty = False


HIDDEN = [
    ("tools/call", "name", ("wipe", "drop", "lapsed", "file", "private"), "nothing"),
    ("prompts/get", "name", ("private",), "nothing"),
    ("resources/read", "uri", ("note://secret", "key://store/x", "pipe+file:///etc/passwd"), "note://nothing"),
]


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(("method", "member", "hidden", "absent"), HIDDEN)
async def test_what_may_not_be_known_is_refused_like_what_is_not_there(field, path, method, member, hidden, absent):
    way = await field.way(path)
    nothing = (await way.send(method, {member: absent}))["error"]
    for name in hidden:
        if name == "file":
            continue
        told = (await way.send(method, {member: name}))["error"]
        assert str(told).replace(name, absent) == str(nothing)
    assert field.oracle.new() == []
    assert len(await way.outcomes()) == 1 + len([name for name in hidden if name != "file"])


@pytest.mark.parametrize("path", ALL)
async def test_lists_show_what_may_be_used_and_take_no_cursor_of_somebody_else(field, path):
    way = await field.way(path)
    tools = (await way.send("tools/list"))["result"]["tools"]
    assert {tool["name"] for tool in tools} == {
        "get_note", "fetch", "open_issue", "file", "place", "run", "ask", "odd", "pay", "tag"
    }  # fmt: skip
    [issue] = [tool for tool in tools if tool["name"] == "open_issue"]
    assert set(issue["inputSchema"]["properties"]) == {"title"}
    shown = (await way.send("prompts/list"))["result"]["prompts"]
    assert [prompt["name"] for prompt in shown] == ["brief"]
    shown = (await way.send("resources/list"))["result"]["resources"]
    assert {resource["uri"] for resource in shown} == {"note://all", "pipe+file:///pub/a"}
    shown = (await way.send("resources/templates/list"))["result"]["resourceTemplates"]
    assert [template["name"] for template in shown] == ["doc"]
    await way.outcomes()
    for method in ("prompts/list", "resources/list", "resources/templates/list"):
        for cursor in ("x", "MQ==", 1, {"a": 1}):
            assert "error" in await way.send(method, {"cursor": cursor})
            assert await way.outcomes() == [("invalid", "invalid_cursor")]


ASK = called("ask", {"id": "1"})
ANSWERS = {"inputResponses": {"sure": {"action": "accept", "content": {}}}}
"""What a client says when it comes back."""


@pytest.mark.parametrize("path", ["fast", "stdio-modern"])
async def test_the_state_of_a_call_is_good_for_that_call_once(field, path):
    way = await field.way(path)

    async def begin(**more):
        return (await way.send("tools/call", ASK, **more))["result"]["requestState"]

    state = await begin()
    field.oracle.new()
    await way.outcomes()
    forged = {
        "the server's own": ("ask", "of the oracle"),
        "empty": ("ask", ""),
        "a number": ("ask", 1),
        "null": ("ask", None),
        "cut short": ("ask", state[:-4]),
        "changed at its end": ("ask", state[:-1] + ("A" if state[-1] != "A" else "B")),
        "changed at its start": ("ask", ("A" if state[0] != "A" else "B") + state[1:]),
        "twice": ("ask", state + state),
        "of another tool": ("get_note", state),
    }
    if path == "fast":
        forged["of somebody else"] = ("ask", await begin(key="bob"))
        field.oracle.new()
        await way.outcomes()
    for what, (tool, sent) in forged.items():
        refused = await way.send("tools/call", {**ASK, "name": tool, "requestState": sent, **ANSWERS})
        assert refused["error"]["data"]["reason"] == "request_state", what
        assert (await way.outcomes(), field.oracle.new()) == ([("invalid", "request_state")], []), what
    other = {**called("ask", {"id": "2"}), "requestState": state, **ANSWERS}
    assert (await way.send("tools/call", other))["error"]["data"]["reason"] == "request_state"
    good = {**ASK, "requestState": state, **ANSWERS}
    assert "result" in await way.send("tools/call", good)
    assert [seen["params"]["requestState"] for seen in field.oracle.new()] == ["of the oracle"]
    await way.outcomes()
    assert (await way.send("tools/call", good))["error"]["data"]["reason"] == "request_state"
    assert (await way.outcomes(), field.oracle.new()) == ([("invalid", "request_state")], [])


@pytest.mark.parametrize("path", ["fast", "stdio-modern"])
@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_is_for_whoever_started_it_where_it_was_started(field, path, method):
    way = await field.way(path)

    async def begin(**more):
        return (await way.send("tools/call", called("run"), **more))["result"]["taskId"]

    mine = await begin()
    forged = {"the server's own": "t-1", "empty": "", "cut short": mine[:-4], "twice": mine * 2, "a guess": "a" * 80}
    if path == "fast":
        forged |= {"somebody else's": await begin(key="bob"), "at another endpoint": await begin(endpoint="ops")}
    await way.outcomes()
    field.oracle.new()
    for what, task in forged.items():
        refused = await way.send(method, {"taskId": task, "inputResponses": {}})
        assert refused["error"]["data"]["reason"] == "not_available", what
        assert (await way.outcomes(), field.oracle.new()) == ([("denied", "no_such_task")], []), what
    assert "result" in await way.send(method, {"taskId": mine, "inputResponses": {}})
    assert [(seen["method"], seen["params"]["taskId"]) for seen in field.oracle.new()] == [(method, "t-1")]
    assert await way.outcomes() == [("ok", "allowed")]


GET = called("get_note", {"id": "1"})


async def test_a_session_is_for_one_principal_at_one_endpoint_and_its_abuse_is_recorded(field):
    way = await field.way("legacy")
    await way.send("tools/call", GET)
    await way.send("tools/list", endpoint="ops")
    mine, there = way.sessions["ann", "dev"], way.sessions["ann", "ops"]
    await way.outcomes()
    field.oracle.new()
    for key, session in (("bob", mine), ("eve", mine), ("ann", there), ("ann", mine[:-2]), ("ann", "x")):
        headers = {"accept": "application/json, text/event-stream", "mcp-session-id": session, **bearer(key)}
        answers = [
            await way.site.legacy(request("tools/call", GET), key=key, session=session),
            await way.site.client.get(way.site.url(), headers=headers),
            await way.site.client.delete(way.site.url(), headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
        assert await way.outcomes() == [("invalid", "no_such_session")] * 3
    assert (await way.site.legacy(request("tools/call", GET))).status_code == 400
    assert (await way.outcomes(), field.oracle.new()) == ([("invalid", "no_session")], [])
    assert "result" in await way.send("tools/call", GET)


async def test_each_part_of_a_batch_is_decided_on_its_own(field):
    way = await field.way("legacy")
    session = await way.site.session(version="2025-03-26")
    parts = [
        request("tools/call", GET, 1),
        request("tools/call", called("wipe"), 2),
        request("prompts/get", {"name": "private"}, 3),
        request("resources/read", {"uri": "note://secret"}, 4),
        [request("tools/call", GET, 5)],
        request("tools/call", called("open_issue", {"owner": "evil"}), 6),
    ]
    answers = (await way.site.legacy(parts, session=session)).json()
    assert [("result" in answer, answer["id"]) for answer in answers] == [
        (True, 1), (False, 2), (False, 3), (False, 4), (False, None), (False, 6)
    ]  # fmt: skip
    assert sorted(await way.outcomes()) == [
        ("denied", "no_allow"), ("denied", "no_allow"), ("denied", "no_allow"), ("invalid", "invalid_arguments"),
        ("invalid", "invalid_request"), ("ok", "allowed"),
    ]  # fmt: skip
    assert [seen["params"]["name"] for seen in field.oracle.new()] == ["get"]


def without_the_grants_of(bundle, subject):
    plan = bundle.plan
    grants = tuple(grant for grant in plan.access.grants if grant.to != ((subject,),))
    access = plan.access.model_copy(update={"grants": grants})
    return seal(plan.model_copy(update={"access": access}), bundle.definitions, bundle.source_map)


@pytest.mark.parametrize("path", ["fast", "legacy"])
async def test_a_grant_that_is_revoked_ends_what_was_begun_under_it(field, path):
    way = await field.way(path)
    begun = {"tools/call": GET, "prompts/get": {"name": "brief"}, "resources/read": {"uri": "pipe+file:///pub/a"}}
    for method, params in begun.items():
        assert "result" in await way.send(method, params)
    if path == "fast":
        state = (await way.send("tools/call", ASK))["result"]["requestState"]
        task = (await way.send("tools/call", called("run")))["result"]["taskId"]
        begun |= {"tasks/get": {"taskId": task}, "tasks/cancel": {"taskId": task}}
        begun["tools/call"] = {**ASK, "requestState": state, **ANSWERS}
    await way.outcomes()
    field.oracle.new()
    way.site.active.swap(Snapshot(without_the_grants_of(field.bundle, "user:ann")))
    try:
        for method, params in begun.items():
            assert "error" in await way.send(method, params)
            assert await way.outcomes() == [("denied", "no_allow")]
        assert (await way.send("tools/list"))["result"]["tools"] == []
        assert field.oracle.new() == []
        assert "result" in await way.send("tools/call", GET, key="bob")
    finally:
        way.site.active.swap(Snapshot(field.bundle))
    assert "result" in await way.send("tools/call", begun["tools/call"])


async def test_a_stream_tells_only_of_what_may_be_read(field):
    way = await field.way("fast")
    wanted = ["note://secret", "pipe+file:///etc/passwd", "key://store/x", "doc://store/..%2Fx", "note://all"]
    message, headers = way.site.modern_parts(
        "subscriptions/listen", {"notifications": {"resourceSubscriptions": wanted}}
    )
    with anyio.fail_after(60):
        async with way.site.client.stream("POST", way.site.url(), json=message, headers=headers) as answer:
            lines = answer.aiter_lines()
            line = await anext(lines)
            while not line.startswith("data: {"):
                line = await anext(lines)
    assert json.loads(line[6:])["params"]["notifications"] == {"resourceSubscriptions": ["note://all"]}
    assert sorted(await way.outcomes()) == [
        ("denied", "no_allow"), ("denied", "no_allow"), ("denied", "no_allow"), ("denied", "unsafe_uri"),
        ("ok", "allowed"),
    ]  # fmt: skip
    seen = [(seen["method"], seen["params"].get("uri")) for seen in field.oracle.new()]
    assert seen in ([], [("resources/subscribe", "note://all")])
