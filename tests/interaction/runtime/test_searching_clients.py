"""The strategy `search` in front of the SDK's own client, both eras and both transports, and real servers of both eras."""

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from runtimes import client, runtime, stdio
from strategic import User, plan_with

from meshplan.schemas.meta_tools import SEARCH_NAMES
from meshplan.schemas.plan import Search

MODES = ["auto", "legacy"]


@pytest.fixture
def plan(world, tmp_path):
    return plan_with(Search(max_results=10, pinned=("notes_search_notes",)), world, tmp_path)


async def exercise(found, user):
    tools = {tool.name: tool for tool in (await found.list_tools()).tools}
    assert list(tools) == ["notes_search_notes", *SEARCH_NAMES]
    assert tools["call_tool"].annotations.destructive_hint is True
    assert tools["read_tool"].annotations.read_only_hint is True
    assert (await found.call_tool("notes_search_notes", {"query": "kettle"})).structured_content is not None
    looked = await found.call_tool("search_tools", {"queries": ["ticket close", "delete note", "product price"]})
    names = [tool["tool"] for one in looked.structured_content["results"] for tool in one["tools"]]
    assert names[0] == "tickets_close_ticket"
    assert "notes_delete_note" not in names
    shown = await found.call_tool("describe_tools", {"tools": ["catalog_reindex", "notes_delete_note"]})
    assert [tool["tool"] for tool in shown.structured_content["tools"]] == ["catalog_reindex"]
    assert shown.structured_content["notFound"][0]["tool"] == "notes_delete_note"
    note = await found.call_tool("read_tool", {"tool": "notes_get_note", "arguments": {"id": 1}})
    assert note.structured_content["id"] == 1
    steps = []

    async def on_progress(done, total, message):
        steps.append((done, total))

    work = {"tool": "catalog_reindex", "arguments": {"steps": 3, "delay_ms": 0}}
    rebuilt = await found.call_tool("call_tool", work, progress_callback=on_progress)
    assert rebuilt.structured_content["products"] == 7
    assert steps == [(1, 3), (2, 3), (3, 3)]
    for name in ("notes_delete_note", "notes_nothing"):
        refused = await found.call_tool("call_tool", {"tool": name, "arguments": {"id": 1}})
        assert refused.is_error
        assert refused.structured_content["error"]["code"] == "unknown_tool"
        with pytest.raises(MCPError, match=f"Unknown tool: {name}"):
            await found.call_tool(name, {"id": 1})
    opened = {"title": "a", "body": "b", "priority": "low", "reporter": "c@example.com"}
    ticket = await found.call_tool("call_tool", {"tool": "tickets_create_ticket", "arguments": opened})
    close = {"tool": "tickets_close_ticket", "arguments": {"id": ticket.structured_content["id"], "resolution": "done"}}
    closed = await found.call_tool("call_tool", close)
    assert not closed.is_error, closed
    assert len(user.asked) == 1
    assert "search_tools" in found.instructions
    await read_the_rest(found)


async def read_the_rest(found):
    """Prompts, resources and completion are as without a strategy."""
    assert "triage" in {prompt.name for prompt in (await found.list_prompts()).prompts}
    assert (await found.read_resource("note://1")).contents
    ref = types.PromptReference(type="ref/prompt", name="draft_reply")
    completed = await found.complete(ref, {"name": "tone", "value": "f"})
    assert completed.completion.values == ["formal", "friendly"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_stock_client_finds_and_calls(plan, monkeypatch, mode, transport):
    monkeypatch.setenv("TEST_SEAL_KEY", "a key for this test only")
    user = User()
    with anyio.fail_after(60):
        if transport == "http":
            async with (
                runtime("--plan", plan) as running,
                client(running.url(), mode, elicitation_callback=user.elicit) as found,
            ):
                await exercise(found, user)
        else:
            command = stdio("dev", "--plan", plan)
            command.env["TEST_SEAL_KEY"] = "a key for this test only"
            async with Client(command, mode=mode, elicitation_callback=user.elicit) as found:
                await exercise(found, user)
