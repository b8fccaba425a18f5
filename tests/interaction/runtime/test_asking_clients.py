"""A server that asks, in front of the SDK's own client: both eras, both transports; and a restart in the middle."""

import sys
from pathlib import Path

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client
from plans import Draft
from runtimes import client, runtime, stdio

from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import FromEnv, StdioTransport

ASKING = Path(__file__).parents[2] / "servers" / "asking.py"
FORM = ["elicitation/create", {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}]
URL = ["elicitation/create", {"mode": "url", "message": "Go", "url": "https://x.test/", "elicitationId": "e1"}]
MESSAGE = {"role": "user", "content": {"type": "text", "text": "hi"}}
SAMPLE = ["sampling/createMessage", {"messages": [MESSAGE], "maxTokens": 5}]
ROOTS = ["roots/list", {}]
MODERN = "2026-07-28"


@pytest.fixture
def plan(tmp_path):
    draft = Draft(local=("user:ann",))
    draft.server("s", StdioTransport(argv=(sys.executable, str(ASKING)), env={}, cwd="."), sessions="per_client")
    draft.tool("dev", "s", "ask")
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    draft.seal_keys = (FromEnv(name="TEST_SEAL_KEY"),)
    path = tmp_path / "plan.json"
    path.write_text(pack(draft.bundle()))
    return path


class User:
    """Answers whatever a client asks its user."""

    def __init__(self):
        self.asked = []

    async def elicit(self, _context, params):
        self.asked.append(params.mode)
        await anyio.lowlevel.checkpoint()
        return types.ElicitResult(action="accept", content={"name": "ann"} if params.mode == "form" else None)

    async def sample(self, _context, params):
        self.asked.append(params.messages[0].content.text)
        await anyio.lowlevel.checkpoint()
        content = types.TextContent(type="text", text="hello")
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    async def roots(self, _context):
        self.asked.append("roots")
        await anyio.lowlevel.checkpoint()
        return types.ListRootsResult(roots=[types.Root(uri="file:///a")])

    @property
    def callbacks(self):
        return {
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
            "list_roots_callback": self.roots,
        }


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_stock_client_answers_what_a_server_asks(plan, monkeypatch, mode, transport):
    monkeypatch.setenv("TEST_SEAL_KEY", "a key for this test only")
    user = User()

    async def use(found):
        result = await found.call_tool("ask", {"asks": [FORM, SAMPLE, ROOTS, URL]})
        [block] = result.content
        assert '"name": "ann"' in block.text
        assert '"hello"' in block.text
        assert "file:///a" in block.text
        assert user.asked == ["form", "hi", "roots", "url"]

    with anyio.fail_after(60):
        if transport == "http":
            async with runtime("--plan", plan) as running, client(running.url(), mode, **user.callbacks) as found:
                await use(found)
        else:
            command = stdio("dev", "--plan", plan)
            command.env["TEST_SEAL_KEY"] = "a key for this test only"
            async with Client(command, mode=mode, **user.callbacks) as found:
                await use(found)


async def post(running, **retry):
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    }
    params = {"name": "ask", "arguments": {"asks": [FORM]}, "_meta": meta, **retry}
    headers = {
        "authorization": "Bearer secret-ann", "accept": "application/json, text/event-stream", "mcp-name": "ask",
        "mcp-protocol-version": MODERN, "mcp-method": "tools/call",
    }  # fmt: skip
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with httpx2.AsyncClient(timeout=30) as web:
        return (await web.post(running.url(), json=body, headers=headers)).json()


async def test_a_restart_ends_what_was_parked_and_starts_no_call_afresh(plan, monkeypatch):
    monkeypatch.setenv("TEST_SEAL_KEY", "a key for this test only")
    with anyio.fail_after(60):
        async with runtime("--plan", plan) as running:
            first = (await post(running))["result"]
        answers = {name: {"action": "accept", "content": {}} for name in first["inputRequests"]}
        async with runtime("--plan", plan) as running:
            answer = await post(running, inputResponses=answers, requestState=first["requestState"])
            assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (-32602, "request_state_gone")
            assert "inputRequests" in (await post(running))["result"]
