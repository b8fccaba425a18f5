"""The example servers, each as a real process, driven by the SDK's client in both eras."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.context import ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import (
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
    Tool,
)

SERVERS = Path(__file__).parents[2] / "examples" / "servers"
MODES = ["auto", "legacy"]
MODERN = "2026-07-28"
SESSIONS = "2025-11-25"
EFFECTS = {
    "notes": {
        "list_notes": "read",
        "search_notes": "read",
        "get_note": "read",
        "create_note": "write",
        "update_note": "write, idempotent",
        "delete_note": "destructive",
    },
    "tickets": {
        "search_tickets": "read",
        "get_ticket": "read",
        "create_ticket": "write",
        "add_comment": "write",
        "close_ticket": "destructive, idempotent",
    },
    "catalog": {
        "search_products": "read",
        "get_product": "read",
        "get_price_history": "read",
        "reindex": "write, idempotent",
        "set_price": "write, idempotent",
        "discontinue": "destructive",
    },
}
UNSTRUCTURED = {"delete_note", "discontinue"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def notes_over_stdio(data: Path | None = None) -> StdioServerParameters:
    where = ["--data", str(data)] if data else []
    return StdioServerParameters(command=sys.executable, args=[str(SERVERS / "notes.py"), *where])


@contextmanager
def http_server(name: str, data: Path | None = None, stop: int = signal.SIGTERM) -> Generator[str]:
    """Run a server, give its URL, stop it by a signal and demand a clean end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(SERVERS / f"{name}.py"), "--port", str(port)]
    process = subprocess.Popen(command + (["--data", str(data)] if data else []), stderr=subprocess.DEVNULL)
    try:
        wait_for(process, port)
        yield f"http://127.0.0.1:{port}/mcp"
        process.send_signal(stop)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Try the port until it answers: at most 30 seconds, and no longer than the process lives."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with status {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing listens on port {port}")


def effect_of(tool: Tool) -> str:
    hints = tool.annotations
    assert hints is not None
    if hints.read_only_hint:
        return "read"
    kind = "destructive" if hints.destructive_hint else "write"
    return f"{kind}, idempotent" if hints.idempotent_hint else kind


async def check_tools(client: Client, server: str) -> None:
    tools = (await client.list_tools()).tools
    assert {tool.name: effect_of(tool) for tool in tools} == EFFECTS[server]
    for tool in tools:
        assert tool.description
        assert tool.input_schema["type"] == "object"
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"
        assert (tool.output_schema is None) == (tool.name in UNSTRUCTURED)


async def call(client: Client, name: str, **arguments: object) -> dict:
    """Call a tool that must succeed, and return its structured content."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, name: str, **arguments: object) -> dict:
    """Call a tool that must refuse, and return its error; the text says the same."""
    result = await client.call_tool(name, arguments)
    assert result.is_error
    assert isinstance(result.structured_content, dict)
    assert json.loads(text_of(result)) == result.structured_content
    return result.structured_content["error"]


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


async def read(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri, cache_mode="bypass")).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def prompt(client: Client, name: str, **arguments: str) -> str:
    [message] = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    return message.content.text


class User:
    """Somebody who answers every question in one way, and remembers what was asked."""

    def __init__(self, answer: ElicitResult) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return self.answer


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "version"), [("auto", MODERN), ("legacy", SESSIONS)])
async def test_notes_lists_what_it_offers(mode: str, version: str) -> None:
    async with Client(notes_over_stdio(), mode=mode) as client:
        assert client.protocol_version == version
        await check_tools(client, "notes")
        assert [str(one.uri) for one in (await client.list_resources()).resources] == ["note://all"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == ["note://{id}", "note://{id}/{revision}"]
        prompts = (await client.list_prompts()).prompts
        assert {one.name: [argument.name for argument in one.arguments or []] for one in prompts} == {
            "summarize_note": ["id"],
            "write_digest": ["tag"],
        }


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_notes_survive_a_restart(mode: str, tmp_path: Path) -> None:
    data = tmp_path / "made" / "on demand"
    async with Client(notes_over_stdio(data), mode=mode) as client:
        made = await call(client, "create_note", title="Standup", body="Nothing blocked", tag="team")
        assert made["revision"] == 1
        changed = await call(client, "update_note", id=made["id"], body="Waiting for Änne")
        assert (changed["revision"], changed["title"], changed["tag"]) == (2, "Standup", "team")
        assert await call(client, "update_note", id=made["id"], body="Waiting for Änne") == changed
        assert text_of(await client.call_tool("delete_note", {"id": 1})) == "deleted note 1, `Release checklist`"
    async with Client(notes_over_stdio(data), mode=mode) as client:
        assert await call(client, "get_note", id=made["id"]) == changed
        assert await read(client, f"note://{made['id']}") == "# Standup\n\nWaiting for Änne\n"
        assert await read(client, f"note://{made['id']}/1") == "# Standup\n\nNothing blocked\n"
        assert [note["id"] for note in json.loads(await read(client, "note://all"))] == [2, 3, 4, 5]
        error = await refusal(client, "delete_note", id=1)
        assert error == {"code": "not_found", "message": "there is no note 1", "id": 1}


@pytest.mark.anyio
async def test_notes_are_found_read_and_completed() -> None:
    async with Client(notes_over_stdio()) as client:
        assert [one["id"] for one in (await call(client, "list_notes", limit=2))["notes"]] == [4, 3]
        assert [one["id"] for one in (await call(client, "list_notes", tag="ops"))["notes"]] == [4, 2]
        assert [one["id"] for one in (await call(client, "search_notes", query="LEDGER"))["notes"]] == [3]
        assert (await call(client, "search_notes", query="100%"))["notes"] == []
        assert "p99 went from 180 ms" in await prompt(client, "summarize_note", id="4")
        assert "Two pages this week" in await prompt(client, "write_digest", tag="ops")
        tags = await client.complete(PromptReference(name="write_digest"), {"name": "tag", "value": "o"})
        assert tags.completion.values == ["ops"]
        ids = await client.complete(ResourceTemplateReference(uri="note://{id}"), {"name": "id", "value": ""})
        assert ids.completion.values == ["1", "2", "3", "4"]
        with pytest.raises(MCPError, match="there is no note 99"):
            await client.read_resource("note://99")
        with pytest.raises(MCPError, match="there is no note 99"):
            await client.get_prompt("summarize_note", {"id": "99"})
        assert (await client.call_tool("create_note", {"title": "", "body": "x"})).is_error


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "version"), [("auto", MODERN), ("legacy", SESSIONS)])
async def test_tickets_lists_what_it_offers(mode: str, version: str) -> None:
    with http_server("tickets") as url:
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == version
            await check_tools(client, "tickets")
            templates = (await client.list_resource_templates()).resource_templates
            assert [one.uri_template for one in templates] == ["ticket://{id}"]
            assert [one.name for one in (await client.list_prompts()).prompts] == ["draft_reply", "triage"]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_tickets_survive_a_restart(mode: str, tmp_path: Path) -> None:
    with http_server("tickets", tmp_path) as url:
        async with Client(url, mode=mode) as client:
            found = await call(client, "search_tickets", query="sso", status="open")
            assert [one["id"] for one in found["tickets"]] == [2]
            made = await call(
                client, "create_ticket", title="No sound", body="Since Monday", reporter="kim@acme.example"
            )
            talked = await call(client, "add_comment", id=made["id"], author="support", body="Which browser?")
            assert [one["body"] for one in talked["comments"]] == ["Which browser?"]
    with http_server("tickets", tmp_path, stop=signal.SIGINT) as url:
        async with Client(url, mode=mode) as client:
            assert await call(client, "get_ticket", id=made["id"]) == talked
            assert json.loads(await read(client, f"ticket://{made['id']}")) == talked
            assert "Which browser?" in await prompt(client, "draft_reply", id=str(made["id"]), tone="brief")
            assert "4: No sound" in await prompt(client, "triage")
            tones = await client.complete(PromptReference(name="draft_reply"), {"name": "tone", "value": "f"})
            assert tones.completion.values == ["formal", "friendly"]
            ids = await client.complete(ResourceTemplateReference(uri="ticket://{id}"), {"name": "id", "value": "4"})
            assert ids.completion.values == ["4"]
            assert (await refusal(client, "get_ticket", id=99))["code"] == "not_found"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_closing_a_ticket_asks_first(mode: str) -> None:
    question = "Close ticket 2, `Cannot sign in with SSO`? It cannot be opened again."
    unwilling = [ElicitResult(action="decline"), ElicitResult(action="accept", content={"close": False})]
    wish = {"id": 2, "resolution": "New certificate"}
    with http_server("tickets") as url:
        for answer in unwilling:
            user = User(answer)
            async with Client(url, mode=mode, elicitation_callback=user) as client:
                assert (await refusal(client, "close_ticket", **wish))["code"] == "not_confirmed"
                assert user.asked == [question]
                assert (await call(client, "get_ticket", id=2))["status"] == "open"
        user = User(ElicitResult(action="accept", content={"close": True}))
        async with Client(url, mode=mode, elicitation_callback=user) as client:
            assert (await refusal(client, "close_ticket", id=99, resolution="none"))["code"] == "not_found"
            closed = await call(client, "close_ticket", **wish)
            assert (closed["status"], closed["resolution"]) == ("closed", "New certificate")
            assert await call(client, "close_ticket", id=2, resolution="Again") == closed
            assert user.asked == [question]
            assert (await refusal(client, "add_comment", id=2, author="sam", body="Hello?"))["code"] == "closed"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_nobody_to_ask_is_a_protocol_error(mode: str) -> None:
    with http_server("tickets") as url:
        async with Client(url, mode=mode) as client:
            with pytest.raises(MCPError, match="elicitation"):
                await client.call_tool("close_ticket", {"id": 1, "resolution": "none"})
            assert (await call(client, "get_ticket", id=1))["status"] == "open"


@pytest.mark.anyio
@pytest.mark.parametrize("mode", MODES)
async def test_catalog_knows_only_sessions(mode: str) -> None:
    with http_server("catalog") as url:
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == SESSIONS
            await check_tools(client, "catalog")
            resources = (await client.list_resources()).resources
            assert [str(one.uri) for one in resources] == ["catalog://categories", "catalog://prices"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [one.uri_template for one in templates] == ["catalog://products/{sku}"]


@pytest.mark.anyio
async def test_catalog_refuses_a_modern_request() -> None:
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "server/discover", "accept": "application/json"}
    with http_server("catalog") as url:
        async with httpx2.AsyncClient() as http:
            body = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
            answer = await http.post(url, json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": -32600,
        "message": "Bad Request: Unsupported protocol version: 2026-07-28",
    }


@pytest.mark.anyio
async def test_catalog_survives_a_restart(tmp_path: Path) -> None:
    with http_server("catalog", tmp_path) as url:
        async with Client(url) as client:
            found = await call(client, "search_products", query="kettle ele")
            assert [one["sku"] for one in found["products"]] == ["KET-170"]
            assert (await call(client, "set_price", sku="CHR-330", cents=19900))["cents"] == 19900
            await call(client, "set_price", sku="CHR-330", cents=19900)
            removed = await client.call_tool("discontinue", {"sku": "KET-100"})
            assert text_of(removed) == "removed KET-100, `Gooseneck kettle, 1 litre`"
    with http_server("catalog", tmp_path, stop=signal.SIGINT) as url:
        async with Client(url) as client:
            history = await call(client, "get_price_history", sku="CHR-330")
            assert [price["cents"] for price in history["prices"]] == [22900, 24900, 19900]
            assert (await call(client, "get_product", sku="CHR-330"))["cents"] == 19900
            assert (await refusal(client, "get_price_history", sku="KET-100"))["sku"] == "KET-100"
            assert [one["sku"] for one in (await call(client, "search_products", category="kitchen"))["products"]] == [
                "GRD-010",
                "KET-170",
            ]
            assert {"category": "kitchen", "products": 2} in json.loads(await read(client, "catalog://categories"))
            assert "CHR-330,19900\n" in await read(client, "catalog://prices")
            assert json.loads(await read(client, "catalog://products/BAG-045"))["stock"] == 41
            assert (await client.call_tool("get_product", {"sku": "kettle"})).is_error


@pytest.mark.anyio
async def test_reindex_builds_the_index_and_reports_each_step(tmp_path: Path) -> None:
    seen: list[tuple[float, float | None, str | None]] = []
    complete = anyio.Event()

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))
        if len(seen) == 3:
            complete.set()

    with http_server("catalog", tmp_path) as url:
        async with Client(url) as client:
            before = await call(client, "search_products", query="litre")
            assert len(before["products"]) == 4
            with closing(sqlite3.connect(tmp_path / "catalog.db")) as database, database:
                database.execute("DELETE FROM words")
            assert (await call(client, "search_products", query="litre"))["products"] == []
            result = await client.call_tool("reindex", {"steps": 3, "delay_ms": 1}, progress_callback=watch)
            assert result.structured_content == {"products": 7, "words": 26}
            assert await call(client, "search_products", query="litre") == before
            with anyio.fail_after(10):
                await complete.wait()
    assert seen == [(1, 3, "step 1 of 3"), (2, 3, "step 2 of 3"), (3, 3, "step 3 of 3")]


@pytest.mark.anyio
async def test_a_comment_is_told_to_those_who_listen() -> None:
    with http_server("tickets") as url:
        async with Client(url) as client, client.listen(resource_subscriptions=["ticket://1"]) as changes:
            await call(client, "add_comment", id=2, author="support", body="Not this one")
            await call(client, "add_comment", id=1, author="support", body="This one")
            with anyio.fail_after(10):
                assert await anext(aiter(changes)) == ResourceUpdated(uri="ticket://1")


@pytest.mark.anyio
async def test_a_server_stops_although_a_client_is_connected() -> None:
    headers = {"accept": "application/json, text/event-stream"}
    client = {"name": "test", "version": "1"}
    params = {"protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": client}
    async with httpx2.AsyncClient() as http, AsyncExitStack() as streams:
        with http_server("catalog") as url:
            hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
            answer = await http.post(url, json=hello, headers=headers)
            session = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": SESSIONS}
            stream = await streams.enter_async_context(http.stream("GET", url, headers=headers | session))
            assert stream.status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["tickets", "catalog"])
async def test_a_server_is_for_this_machine_only(name: str) -> None:
    with http_server(name) as url:
        async with httpx2.AsyncClient() as http:
            answer = await http.post(url, json={}, headers={"host": "rebound.example"})
        others = url.replace("127.0.0.1", "127.0.0.2")
        async with httpx2.AsyncClient() as http:
            with pytest.raises(httpx2.ConnectError):
                await http.post(others, json={})
    assert answer.status_code == 421
