"""MCP 2026-07-28 over HTTP: statuses, header checks, results, streams and cancellation."""

import json

import anyio
import pytest
from plans import FakeUpstreams, simple
from sites import bearer, events, site

from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamTimeout, UpstreamUnavailable

SERVER_INFO = "io.modelcontextprotocol/serverInfo"


async def test_a_tool_is_called_under_its_upstream_name_and_the_result_comes_back_untouched():
    result = {
        "content": [{"type": "text", "text": "hi", "novel": None}, {"type": "hologram", "x": [1.5, 10**30]}],
        "structuredContent": {"n": 12345678901234567890, "none": None, "é": "\u2028"},
        "_meta": {"vendor/key": None},
        "futureField": {"deep": [{}]},
        "resultType": "complete",
    }
    upstreams = FakeUpstreams()

    async def answer(_):
        return result

    notes = upstreams.serve("notes", answer)
    async with site(simple().bundle(), upstreams) as found:
        params = {"name": "get_note", "arguments": {"id": 10**25}, "futureParam": 1}
        response = await found.modern("tools/call", params, meta={"vendor/trace": "t", "progressToken": 7})
    assert response.status_code == 200
    assert json.loads(response.text)["result"] == result
    sent = notes.requests[0]
    assert sent.params == {
        "name": "get",
        "arguments": {"id": 10**25},
        "futureParam": 1,
        "_meta": {"vendor/trace": "t"},
    }


async def test_lists_hold_what_the_caller_may_see_with_the_members_that_the_revision_requires():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        ann = (await found.modern("tools/list")).json()["result"]
        bob = (await found.modern("tools/list", key="bob")).json()["result"]
    assert [tool["name"] for tool in ann["tools"]] == ["get_note"]
    assert bob["tools"] == []
    assert (ann["resultType"], ann["cacheScope"], ann["ttlMs"]) == ("complete", "private", 0)
    assert ann["_meta"][SERVER_INFO]["name"] == "dev"


async def test_discover_declares_only_what_is_relayed():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        result = (await found.modern("server/discover")).json()["result"]
    assert result["supportedVersions"] == ["2026-07-28"]
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert result["instructions"] == "endpoint dev"


@pytest.mark.parametrize("name", ["get", "nothing", "notes/tool/get", "notes.get", "Get_note"])
async def test_a_tool_answers_to_its_advertised_name_only(name):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        response = await found.modern("tools/call", {"name": name})
    assert response.status_code == 400
    expected = {"code": -32602, "message": f"Unknown tool: {name}", "data": {"reason": "not_available"}}
    assert response.json()["error"] == expected


async def test_not_granted_looks_like_not_there_and_the_record_knows_better():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        missing = await found.modern("tools/call", {"name": "nothing"}, key="bob")
        ungranted = await found.modern("tools/call", {"name": "get_note"}, key="bob")
        assert [(a.outcome, a.reason, a.capability) for a in found.attempts] == [
            ("denied", "no_such_name", None),
            ("denied", "no_allow", "notes/tool/get"),
        ]
    assert ungranted.status_code == missing.status_code
    assert ungranted.json()["error"] == {
        **missing.json()["error"],
        "message": "Unknown tool: get_note",
    }


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"mcp-name": "other"}, 400, -32020),
        ({"mcp-method": "tools/list"}, 400, -32020),
        ({"mcp-protocol-version": "2099-01-01"}, 400, -32020),
        ({"mcp-name": "=?base64?Z2V0X25vdGU=?="}, 200, None),
    ],
)
async def test_headers_must_say_what_the_body_says(change, status, code):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        response = await found.modern("tools/call", {"name": "get_note"}, headers=change)
    assert response.status_code == status
    assert response.json().get("error", {}).get("code") == code


async def test_a_modern_body_without_the_version_header_is_a_header_mismatch():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        body, headers = found.modern_parts("tools/list")
        del headers["mcp-protocol-version"]
        response = await found.client.post(found.url(), json=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


async def test_a_repeated_routing_header_is_refused():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        body, headers = found.modern_parts("tools/call", {"name": "get_note"})
        lines = [*headers.items(), ("Mcp-Name", "get_note")]
        response = await found.client.post(found.url(), json=body, headers=lines)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "x"])
async def test_removed_and_unknown_methods_are_not_found(method):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        response = await found.modern(method)
    assert (response.status_code, response.json()["error"]["code"]) == (404, -32601)


async def test_mirrored_arguments_are_checked_and_made_again_for_the_upstream():
    draft = simple()
    schema = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "site": {"type": "string", "x-mcp-header": "Site"},
        },
    }
    draft.tool("dev", "notes", "move", schema=schema, fixed={"site": '"hq"'})
    upstreams = FakeUpstreams()
    async with site(draft.bundle(), upstreams) as found:
        params = {"name": "move", "arguments": {"region": "grün"}}
        wrong = await found.modern("tools/call", params, headers={"mcp-param-region": "eu"})
        hidden = await found.modern("tools/call", params, key="bob", headers={"mcp-param-region": "eu"})
        right = await found.modern("tools/call", params, headers={"mcp-param-region": "=?base64?Z3LDvG4=?="})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32020)
    assert hidden.json()["error"]["message"] == "Unknown tool: move"
    assert right.status_code == 200
    sent = upstreams.get("notes").requests[0]
    assert sent.params["arguments"] == {"region": "grün", "site": "hq"}
    assert sent.headers == {"Mcp-Param-Region": "=?base64?Z3LDvG4=?=", "Mcp-Param-Site": "hq"}


@pytest.mark.parametrize(
    ("failure", "code", "data"),
    [
        (UpstreamRefusal(-32602, "no such note", {"id": 4}), -32602, {"id": 4}),
        (UpstreamRefusal(-32050, "quota", None), -32050, None),
        (UpstreamUnavailable("refused"), -31001, {"reason": "upstream_unavailable", "server": "notes"}),
        (UpstreamTimeout(), -31002, {"reason": "upstream_timeout", "server": "notes"}),
    ],
)
async def test_upstream_errors_keep_their_code_and_ours_name_the_server(failure, code, data):
    upstreams = FakeUpstreams()

    async def fail(_):
        raise failure

    upstreams.serve("notes", fail)
    async with site(simple().bundle(), upstreams) as found:
        error = (await found.modern("tools/call", {"name": "get_note"})).json()["error"]
        outcome = found.attempts[0].outcome
    assert (error["code"], error.get("data")) == (code, data)
    assert outcome == ("timeout" if isinstance(failure, UpstreamTimeout) else "upstream_error")


async def test_progress_and_logs_come_on_the_stream_of_the_request_under_the_callers_token():
    upstreams = FakeUpstreams()

    async def work(request):
        assert (request.wants_progress, request.log_level) == (True, "info")
        await request.on_notify("notifications/progress", {"progress": 1, "progressToken": "inner"})
        await request.on_notify("notifications/message", {"level": "info", "data": "x"})
        await request.on_notify("notifications/tools/list_changed", {})
        return {"content": [], "resultType": "complete"}

    upstreams.serve("notes", work)
    meta = {"progressToken": "mine", "io.modelcontextprotocol/logLevel": "info"}
    async with site(simple().bundle(), upstreams) as found:
        response = await found.modern("tools/call", {"name": "get_note"}, meta=meta)
    assert response.headers["content-type"] == "text/event-stream"
    progress, log, final = events(response.text)
    assert progress["params"] == {"progress": 1, "progressToken": "mine"}
    assert log["method"] == "notifications/message"
    assert final["result"] == {"content": [], "resultType": "complete"}


async def test_without_a_token_nothing_is_streamed():
    upstreams = FakeUpstreams()

    async def work(request):
        await request.on_notify("notifications/progress", {"progress": 1})
        await request.on_notify("notifications/message", {"level": "info", "data": "x"})
        return {"content": []}

    upstreams.serve("notes", work)
    async with site(simple().bundle(), upstreams) as found:
        response = await found.modern("tools/call", {"name": "get_note"})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"] == {"content": [], "resultType": "complete"}


async def test_closing_the_response_cancels_the_upstream_call():
    upstreams, begun, cancelled = FakeUpstreams(), anyio.Event(), anyio.Event()

    async def hang(_):
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    upstreams.serve("notes", hang)
    async with site(simple().bundle(), upstreams) as found:
        async with anyio.create_task_group() as group:
            group.start_soon(found.modern, "tools/call", {"name": "get_note"})
            with anyio.fail_after(5):
                await begun.wait()
                group.cancel_scope.cancel()
        # Before the server ends, which would cancel it, too.
        with anyio.fail_after(5):
            await cancelled.wait()
    assert found.attempts[0].outcome == "cancelled"


async def test_listen_acknowledges_tells_of_changes_and_ends_with_a_result():
    draft = simple()
    async with site(draft.bundle(), FakeUpstreams()) as found:
        wanted = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a:b"]}}
        body, headers = found.modern_parts("subscriptions/listen", wanted)
        body["id"] = "sub"
        async with found.client.stream("POST", found.url(), json=body, headers=headers) as response:
            lines = (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: "))
            with anyio.fail_after(5):
                acknowledged = await anext(lines)
                draft.tool("dev", "notes", "add", "add_note")
                draft.define("notes", "prompt", {"name": "p"})
                found.active.swap(type(found.active.snapshot)(draft.bundle()))
                changed = await anext(lines)
                found.active.close()
                final = await anext(lines)
    meta = {"io.modelcontextprotocol/subscriptionId": "sub"}
    assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
    assert acknowledged["params"] == {"notifications": {"toolsListChanged": True}, "_meta": meta}
    assert changed == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": meta}}
    assert (final["id"], final["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"]) == ("sub", "sub")


async def test_a_revoked_key_ends_its_subscription_and_is_refused_at_once():
    draft = simple()
    async with site(draft.bundle(), FakeUpstreams()) as found:
        body, headers = found.modern_parts("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        async with found.client.stream("POST", found.url(), json=body, headers=headers) as response:
            lines = (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: "))
            with anyio.fail_after(5):
                await anext(lines)
                del draft.keys["ann"]
                found.active.swap(type(found.active.snapshot)(draft.bundle()))
                final = await anext(lines)
        refused = await found.modern("tools/list")
    assert "result" in final
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list","params":{}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_note","arguments":{"a":1,"a":2}}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":NaN}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"\\ud800"}}',
        "[" * 200 + "]" * 200,
        "{",
        "",
    ],
)
async def test_json_is_read_strictly(body):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        _, headers = found.modern_parts("tools/list")
        response = await found.client.post(
            found.url(), content=body, headers={**headers, "content-type": "application/json"}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32700)


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}],
        {"jsonrpc": "1.0", "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": True, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": []},
        {"jsonrpc": "2.0", "id": 1},
    ],
)
async def test_an_envelope_that_is_no_message_is_refused(body):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        _, headers = found.modern_parts("tools/list")
        response = await found.client.post(found.url(), json=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


async def test_notifications_are_acknowledged_and_get_is_not_allowed():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        _, headers = found.modern_parts("notifications/cancelled")
        posted = await found.client.post(
            found.url(), json={"jsonrpc": "2.0", "method": "notifications/cancelled"}, headers=headers
        )
        got = await found.client.get(found.url(), headers={**bearer("ann"), "mcp-protocol-version": "2026-07-28"})
    assert (posted.status_code, got.status_code) == (202, 405)
