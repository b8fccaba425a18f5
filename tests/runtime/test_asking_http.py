"""A server of the official SDK that asks over streamable HTTP with sessions: what it asks finds back to the call."""

import json
from contextlib import asynccontextmanager

import anyio
import mcp_types as types
import pytest
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from plans import Draft
from sites import ACCEPT, bearer, events, listening, request, site
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.schemas.plan import HttpTransport

CAPABILITIES = {"elicitation": {"form": {}, "url": {}}}
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}}


def asking_app():
    """Tool `ask` asks for `word`, on the stream of its call or, with `aside`, on the session's own; only with sessions."""

    async def nothing(_context, _params):
        return types.ListToolsResult(tools=[])

    async def call(context, params):
        arguments = params.arguments or {}
        related = None if arguments.get("aside") else context.request_id
        try:
            if "completes" in arguments:
                await context.session.elicit_url("Go", "https://x.test/", arguments["completes"], related)
                heard = arguments["message"] + "!"
            else:
                answer = await context.session.elicit(arguments["message"], SCHEMA, related_request_id=related)
                heard = answer.content["word"]
        except MCPError as error:
            heard = f"error {error.error.code}"
        for completed in (arguments["completes"], "of nobody") if "completes" in arguments else ():
            note = types.ElicitCompleteNotificationParams(elicitation_id=completed)
            found = types.ElicitCompleteNotification(params=note)
            await context.session.send_notification(found, related_request_id=context.request_id)
        return types.CallToolResult(content=[types.TextContent(type="text", text=heard)])

    server = SdkServer("asking", on_list_tools=nothing, on_call_tool=call, get_tool_input_schema=lambda _: None)
    app = server.streamable_http_app()

    async def guarded(scope, receive, send):
        version = Headers(scope=scope).get("mcp-protocol-version") if scope["type"] == "http" else None
        if version not in {None, *HANDSHAKE_PROTOCOL_VERSIONS}:
            return await JSONResponse({"detail": "no such version"}, status_code=400)(scope, receive, send)
        return await app(scope, receive, send)

    return guarded, server


@asynccontextmanager
async def served(tmp_path, sessions="per_client"):
    app, server = asking_app()
    with anyio.fail_after(60):
        async with server.session_manager.run(), listening(app) as port:
            plan = Draft()
            plan.server(
                "s", HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None), sessions=sessions
            )
            plan.tool("dev", "s", "ask")
            plan.key("ann", "user:ann")
            plan.grant("all", "user:ann")
            bundle = plan.bundle()
            async with open_upstreams(bundle.plan.servers, tmp_path) as upstreams, site(bundle, upstreams) as found:
                yield found


async def in_session(found, session, word, told=None, **arguments):
    """Call in a session of the handshake era, and answer what is asked on the stream of this call."""
    message = request("tools/call", {"name": "ask", "arguments": {"message": word, **arguments}}, word)
    headers = {"accept": ACCEPT, "content-type": "application/json", "mcp-session-id": session, **bearer("ann")}
    async with found.client.stream("POST", found.url(), content=json.dumps(message), headers=headers) as response:
        async for line in response.aiter_lines():
            for heard in events(line) if line.startswith("data: ") else [json.loads(line)] if line[:1] == "{" else []:
                if "method" not in heard:
                    return heard["result"]["content"][0]["text"]
                if "id" not in heard:
                    told.append((heard["method"], heard["params"]))
                    continue
                result = {"action": "accept", "content": {"word": f"{heard['params']['message']}!"}}
                reply = {"jsonrpc": "2.0", "id": heard["id"], "result": result}
                await found.legacy(reply, session=session)
    return None


async def by_results(found, word, **arguments):
    """Call as a client of 2026-07-28, and answer by a retry."""
    params = {"name": "ask", "arguments": {"message": word, **arguments}}
    first = (await found.modern("tools/call", params, capabilities=CAPABILITIES)).json()["result"]
    [(name, asked)] = first["inputRequests"].items()
    answer = {"action": "accept", "content": {"word": f"{asked['params']['message']}!"}}
    retried = {**params, "inputResponses": {name: answer}, "requestState": first["requestState"]}
    final = (await found.modern("tools/call", retried, capabilities=CAPABILITIES)).json()["result"]
    return final["content"][0]["text"]


async def test_calls_at_once_in_one_session_are_each_asked_their_own_question(tmp_path):
    heard = {}

    async def one(found, session, word):
        heard[word] = await in_session(found, session, word)

    async with served(tmp_path) as found:
        session = await found.session(capabilities=CAPABILITIES)
        async with anyio.create_task_group() as group:
            for word in ("a", "b", "c", "d"):
                group.start_soon(one, found, session, word)
        assert heard == {word: f"{word}!" for word in ("a", "b", "c", "d")}
        assert found.upstreams.health()["s"].sessions == 1


async def test_calls_at_once_of_modern_clients_are_each_asked_their_own_question(tmp_path):
    heard = {}

    async def one(found, word):
        heard[word] = await by_results(found, word)

    async with served(tmp_path) as found:
        async with anyio.create_task_group() as group:
            for word in ("a", "b", "c"):
                group.start_soon(one, found, word)
        assert heard == {word: f"{word}!" for word in ("a", "b", "c")}


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_question_beside_the_call_reaches_the_one_client_of_the_session(tmp_path, era):
    async with served(tmp_path) as found:
        if era == "modern":
            assert await by_results(found, "w", aside=True) == "w!"
        else:
            session = await found.session(capabilities=CAPABILITIES)
            assert await in_session(found, session, "w", aside=True) == "w!"


@pytest.mark.parametrize("aside", [False, True])
async def test_a_server_that_asks_although_nobody_can_be_asked_is_refused_and_counted(tmp_path, aside):
    async with served(tmp_path, sessions="shared") as found:
        params = {"name": "ask", "arguments": {"message": "w", "aside": aside}}
        answer = (await found.modern("tools/call", params, capabilities=CAPABILITIES)).json()["result"]
        assert answer["content"][0]["text"] == "error -32601"
        assert found.upstreams.health()["s"].refused_asks == 1


async def test_only_clients_with_sessions_are_told_that_an_elicitation_is_complete(tmp_path):
    async with served(tmp_path) as found:
        told = []
        session = await found.session(capabilities=CAPABILITIES)
        assert await in_session(found, session, "w", told, completes="e1") == "w!"
        assert told == [("notifications/elicitation/complete", {"elicitationId": "e1"})]
        assert await by_results(found, "w", completes="e1") == "w!"


async def test_a_client_that_leaves_takes_its_session_at_the_server_along(tmp_path):
    async with served(tmp_path) as found:
        sessions = [await found.session(capabilities=CAPABILITIES) for _ in range(2)]
        for session in sessions:
            assert await in_session(found, session, "w") == "w!"
        assert found.upstreams.health()["s"].sessions == 2
        await found.client.delete(found.url(), headers={**bearer("ann"), "mcp-session-id": sessions[0]})
        assert found.upstreams.health()["s"].sessions == 1
        assert await in_session(found, sessions[1], "w") == "w!"
        assert found.upstreams.health()["s"].sessions == 1
