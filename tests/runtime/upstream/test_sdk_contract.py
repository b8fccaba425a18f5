"""What we rely on in the SDK's provisional seams: a new release that changes one of these must fail here."""

import inspect
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from meshplan.runtime.upstream import sdk
from meshplan.runtime.upstream.exchange import CURRENT, Exchange


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_signatures():
    assert parameters(sdk.JSONRPCDispatcher)[:2] == ["read_stream", "write_stream"]
    assert parameters(sdk.JSONRPCDispatcher.send_raw_request)[:4] == ["self", "method", "params", "opts"]
    assert parameters(sdk.JSONRPCDispatcher.notify)[:4] == ["self", "method", "params", "opts"]
    assert parameters(sdk.JSONRPCDispatcher.run) == [
        "self", "on_request", "on_notify", "on_notify_intercept", "task_status",
    ]  # fmt: skip
    assert {"headers", "cancel_on_abandon"} <= set(sdk.CallOptions.__annotations__)
    assert parameters(streamable_http_client) == ["url", "http_client", "terminate_on_close", "max_sse_event_size"]


def test_constants():
    assert sdk.MODERN_PROTOCOL_VERSIONS == ("2026-07-28",)
    assert sdk.LATEST_HANDSHAKE_VERSION == "2025-11-25"
    assert sdk.NAME_BEARING_METHODS == {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
    assert sdk.UNSUPPORTED_PROTOCOL_VERSION == -32022
    assert sdk.PROTOCOL_VERSION_META_KEY == "io.modelcontextprotocol/protocolVersion"
    assert sdk.encode_header_value("plain") == "plain"
    assert sdk.encode_header_value(" ü") == "=?base64?IMO8?="


class Peer:
    """The other end of a dispatcher, in memory."""

    def __init__(self):
        self.to_client, client_read = anyio.create_memory_object_stream(10)
        client_write, self.from_client = anyio.create_memory_object_stream(10)
        self.dispatcher = sdk.JSONRPCDispatcher(client_read, client_write)
        self.noticed = []

    async def run(self, *, task_status):
        async def refuse(_context, _method, _params):
            raise sdk.MCPError(sdk.METHOD_NOT_FOUND, "no")

        async def ignore(_context, _method, _params):
            raise AssertionError("consumed notifications must not come here")

        def intercept(method, params):
            self.noticed.append((method, params))
            return True

        with self.to_client, self.from_client:
            await self.dispatcher.run(refuse, ignore, intercept, task_status=task_status)

    async def sent(self):
        with anyio.fail_after(5):
            return (await self.from_client.receive()).message

    async def give(self, message):
        await self.to_client.send(SessionMessage(message))


@pytest.fixture
async def peer(anyio_backend):
    async with anyio.create_task_group() as tasks:
        found = Peer()
        await tasks.start(found.run)
        yield found
        tasks.cancel_scope.cancel()


async def test_results_are_raw_and_notifications_come_before_them_in_wire_order(peer):
    results = []

    async def ask():
        params = {"_meta": {"progressToken": "ours"}, "x": None}
        results.append((await peer.dispatcher.send_raw_request("a/b", params), list(peer.noticed)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        request = await peer.sent()
        assert isinstance(request, JSONRPCRequest)
        assert request.params == {"_meta": {"progressToken": "ours"}, "x": None}
        progress = {"progressToken": "ours", "progress": 1, "extra": None}
        await peer.give(JSONRPCNotification(jsonrpc="2.0", method="notifications/progress", params=progress))
        await peer.give(JSONRPCResponse(jsonrpc="2.0", id=request.id, result={"unknown": [1.0, None]}))
    assert results == [({"unknown": [1.0, None]}, [("notifications/progress", progress)])]


async def test_a_cancelled_caller_sends_a_cancellation(peer):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(peer.dispatcher.send_raw_request, "a/b", {})
        request = await peer.sent()
        tasks.cancel_scope.cancel()
    note = await peer.sent()
    assert (note.method, note.params["requestId"]) == ("notifications/cancelled", request.id)


async def test_the_end_of_the_stream_is_an_error_that_we_recognise(peer):
    errors = []

    async def ask():
        with pytest.raises(sdk.MCPError) as caught:
            await peer.dispatcher.send_raw_request("a/b", {})
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await peer.sent()
        peer.to_client.close()
    assert sdk.synthesised(errors[0]) == "the connection was closed before the answer"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (sdk.MCPError(-32000, "Connection closed"), "the connection was closed before the answer"),
        (sdk.MCPError(-32000, "SSE stream ended without a response"), "the connection was closed before the answer"),
        (sdk.MCPError(-32700, "Failed to parse JSON response: …"), "the answer is not a JSON-RPC message"),
        (sdk.MCPError(-32000, "Connection closed", {"by": "the server"}), None),
        (sdk.MCPError(-32000, "out of stock"), None),
        (sdk.MCPError(-32700, "your JSON is bad"), None),
    ],
)
def test_errors_of_servers_are_not_mistaken_for_the_sdks(error, reason):
    assert sdk.synthesised(error) == reason


async def test_http_carries_headers_and_context_variables_both_ways_and_follows_no_redirect():
    seen = []

    class Answer(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request):
            seen.append((request.url.path, request.headers.get("x-mark"), CURRENT.get()))
            if request.url.path == "/moved":
                return httpx2.Response(307, headers={"location": "/mcp"})
            note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}'
            done = '{"jsonrpc":"2.0","id":1,"result":{}}'
            events = f"event: message\ndata: {note}\n\nevent: message\ndata: {done}\n\n"
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=events)

    async def refuse(*_):
        return {}

    contexts = []
    mine = Exchange(deadline=0)
    for path in ("/mcp", "/moved"):
        client = httpx2.AsyncClient(transport=Answer(), max_redirects=0)
        async with client, sdk.open_http(f"http://upstream{path}", client) as (read, write):
            dispatcher = sdk.JSONRPCDispatcher(read, write)

            def intercept(_method, _params, read=read):
                contexts.append(sdk.sender_context(read).get(CURRENT))
                return True

            async with anyio.create_task_group() as tasks:
                await tasks.start(dispatcher.run, refuse, refuse, intercept)
                token = CURRENT.set(mine)
                options = {"headers": {"x-mark": "1", "mcp-protocol-version": "2026-07-28"}}
                if path == "/mcp":
                    assert await dispatcher.send_raw_request("a/b", {}, options) == {}
                else:
                    with pytest.raises(sdk.MCPError):
                        await dispatcher.send_raw_request("a/b", {}, options)
                CURRENT.reset(token)
                tasks.cancel_scope.cancel()
    mine.finish({})
    mine.abandon()

    assert seen == [("/mcp", "1", mine), ("/moved", "1", mine)]
    assert contexts == [mine]


async def test_a_child_gets_a_small_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MESH_HIDDEN", "1")
    program = "import os, sys; open('env', 'w').write(repr(dict(os.environ))); sys.stdin.read()"
    argv = (sys.executable, "-c", program)
    async with sdk.open_stdio(argv, {"MESH_GIVEN": "1"}, tmp_path, sys.__stderr__) as (read, _write):
        assert sdk.sender_context(read) is None
    found = (tmp_path / "env").read_text()
    assert "MESH_GIVEN" in found
    assert "MESH_HIDDEN" not in found


def test_only_one_module_imports_the_sdk_and_only_when_a_server_connects():
    folder = Path(inspect.getfile(sdk)).parent
    users = {
        path.name for path in folder.glob("*.py") if "import mcp" in path.read_text() or "from mcp" in path.read_text()
    }
    assert users == {"sdk.py"}
    program = "import sys, meshplan.runtime.upstream.pool, meshplan.runtime.probe; sys.exit('mcp' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
