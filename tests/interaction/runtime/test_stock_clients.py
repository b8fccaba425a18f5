"""The SDK's own client, in both eras and over both transports, in front of real servers of both eras."""

import json

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from plans import budget, recorded, spending
from runtimes import client, runtime, stdio

from meshplan.schemas.bundle import pack

MODES = [("auto", "2026-07-28"), ("legacy", "2025-11-25")]


@pytest.fixture
def plan(world, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(pack(world.draft().bundle()))
    return path


@pytest.mark.parametrize(("mode", "version"), MODES)
async def test_a_refusal_by_a_budget_is_an_answer_and_the_client_goes_on(world, tmp_path, mode, version):
    path = tmp_path / "plan.json"
    path.write_text(pack(spending(recorded(world.draft(), path=str(tmp_path / "ledger")), {"cap": budget(1)})))
    with anyio.fail_after(60):
        async with runtime("--plan", path) as running, client(running.url(), mode) as found:
            assert found.protocol_version == version
            assert not (await found.call_tool("notes_get_note", {"id": 1})).is_error
            for _ in range(2):
                with pytest.raises(MCPError) as caught:
                    await found.call_tool("notes_get_note", {"id": 1})
                data = caught.value.error.data
                assert (caught.value.error.code, data["budget"], data["retry_after"] > 0) == (-31009, "cap", True)
            assert (await found.list_tools()).tools


async def exercise(found, version):
    """Use everything that the three servers have."""
    assert found.protocol_version == version
    tools = {tool.name: tool for tool in (await found.list_tools()).tools}
    assert {"notes_list_notes", "tickets_get_ticket", "catalog_reindex"} <= set(tools)
    note = await found.call_tool("notes_get_note", {"id": 1})
    assert not note.is_error
    assert note.structured_content["id"] == 1
    ticket = await found.call_tool("tickets_get_ticket", {"id": 2})
    assert ticket.structured_content["title"] == "Cannot sign in with SSO"
    progress = []

    async def on_progress(done, total, message):
        progress.append((done, total, message))

    steps = {"steps": 3, "delay_ms": 0}
    rebuilt = await found.call_tool("catalog_reindex", steps, progress_callback=on_progress)
    assert rebuilt.structured_content["products"] == 7
    assert [step[:2] for step in progress] == [(1, 3), (2, 3), (3, 3)]
    prompts = {prompt.name for prompt in (await found.list_prompts()).prompts}
    assert {"triage", "write_digest"} <= prompts
    triage = await found.get_prompt("triage", {})
    assert "Cannot sign in" in triage.messages[0].content.text
    resources = {str(resource.uri) for resource in (await found.list_resources()).resources}
    assert {"note://all", "catalog://prices"} <= resources
    prices = await found.read_resource("catalog://prices")
    assert prices.contents[0].text.startswith("sku,cents")
    templates = {template.uri_template for template in (await found.list_resource_templates()).resource_templates}
    assert {"ticket://{id}", "note://{id}/{revision}"} <= templates
    product = await found.read_resource("catalog://products/KET-100")
    assert json.loads(product.contents[0].text)["sku"] == "KET-100"
    ref = types.PromptReference(type="ref/prompt", name="draft_reply")
    completed = await found.complete(ref, {"name": "tone", "value": "f"})
    assert completed.completion.values == ["formal", "friendly"]
    with pytest.raises(MCPError, match="Unknown tool: get_ticket"):
        await found.call_tool("get_ticket", {"id": 1})


@pytest.mark.parametrize(("mode", "version"), MODES)
async def test_over_http(plan, mode, version):
    with anyio.fail_after(60):
        async with runtime("--plan", plan) as running, client(running.url(), mode) as found:
            await exercise(found, version)


@pytest.mark.parametrize(("mode", "version"), MODES)
async def test_over_standard_streams(plan, mode, version):
    with anyio.fail_after(60):
        async with Client(stdio("dev", "--plan", plan), mode=mode) as found:
            await exercise(found, version)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_server_asks_the_user_in_the_way_of_the_clients_era(plan, mode):
    asked = []

    async def answer(_context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"close": True})

    ticket = {"title": "t", "body": "b", "reporter": "a@b.example"}
    with anyio.fail_after(60):
        async with runtime("--plan", plan) as running:
            async with client(running.url(), mode, elicitation_callback=answer) as found:
                made = (await found.call_tool("tickets_create_ticket", ticket)).structured_content["id"]
                closed = await found.call_tool("tickets_close_ticket", {"id": made, "resolution": "done"})
            async with client(running.url(), mode) as mute:
                other = (await mute.call_tool("tickets_create_ticket", ticket)).structured_content["id"]
                with pytest.raises(MCPError):
                    await mute.call_tool("tickets_close_ticket", {"id": other, "resolution": "done"})
    assert closed.structured_content["status"] == "closed"
    assert len(asked) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_who_was_granted_nothing_sees_and_calls_nothing(plan, mode):
    with anyio.fail_after(60):
        async with runtime("--plan", plan) as running, client(running.url(), mode, key="bob") as found:
            assert (await found.list_tools()).tools == []
            for name in ("notes_get_note", "get_note", "notes/tool/get_note", "nothing"):
                with pytest.raises(MCPError) as caught:
                    await found.call_tool(name, {"id": 1})
                assert (caught.value.error.code, caught.value.error.message) == (-32602, f"Unknown tool: {name}")
                assert caught.value.error.data == {"reason": "not_available"}
    attempts = [json.loads(line) for line in running.lines if '"tools/call"' in line]
    assert [attempt["reason"] for attempt in attempts] == ["no_allow", *["no_such_name"] * 3]
