"""The strategy `code` in front of the SDK's own client, both eras and both transports, and real servers of both eras."""

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from runtimes import client, runtime, stdio
from strategic import User, plan_with

from meshplan.schemas.code_tools import NAMES
from meshplan.schemas.plan import Code

MODES = ["auto", "legacy"]
BOUNDS = Code(wall_ms=20_000, memory_bytes=64 << 20, calls=10, output_bytes=100_000, logs_bytes=10_000)

TRIAGE = """
import asyncio
found, products = await asyncio.gather(
    notes_search_notes(query='kettle'), catalog_search_products(query='kettle', limit=3)
)
made = await tickets_create_ticket(title=products['products'][0]['name'], body='b', priority='low', reporter='c@example.com')
print(len(found['notes']), 'notes')
{'id': made['id'], 'status': made['status'], 'sku': products['products'][0]['sku']}
"""
REFUSED = """
try:
    await notes_delete_note(id=1)
except LookupError as error:
    print(error)
await notes_get_note(id=10**6)
"""
CLOSE = "await tickets_close_ticket(id={id}, resolution='done')"


@pytest.fixture
def plan(world, tmp_path):
    return plan_with(BOUNDS, world, tmp_path)


async def run(found, code, **more):
    return await found.call_tool("run_code", {"code": code}, **more)


async def exercise(found, user, mode):
    tools = {tool.name: tool for tool in (await found.list_tools()).tools}
    assert list(tools) == list(NAMES)
    looked = await found.call_tool("search_tools", {"queries": ["ticket close", "delete note"]})
    stubs = [tool.get("stub", "") for one in looked.structured_content["results"] for tool in one["tools"]]
    assert "async def tickets_close_ticket(*, id: int, resolution: str)" in stubs[0]
    assert not any("notes_delete_note" in text for text in stubs)
    steps = []

    async def on_progress(done, total, message):
        steps.append((done, message))

    triaged = await run(found, TRIAGE, progress_callback=on_progress)
    told = triaged.structured_content
    assert not triaged.is_error, told
    assert (told["value"]["status"], told["logs"].split()[1]) == ("open", "notes")
    assert [done for done, _ in steps] == [1, 2, 3]
    assert steps[-1][1] == "tickets_create_ticket"
    refused = await run(found, REFUSED)
    assert refused.is_error
    assert "notes_delete_note: Unknown tool" in refused.structured_content["logs"]
    assert refused.structured_content["error"]["message"].startswith("RuntimeError: notes_get_note: ")
    assert [call["function"] for call in refused.structured_content["calls"]] == ["notes_delete_note", "notes_get_note"]
    with pytest.raises(MCPError, match="Unknown tool: notes_delete_note"):
        await found.call_tool("notes_delete_note", {"id": 1})
    with pytest.raises(MCPError, match="not listed here"):
        await found.call_tool("notes_get_note", {"id": 1})
    await ask(found, user, mode, told["value"]["id"])
    endless = await run(found, "while True:\n  print('x' * 1000)")
    assert endless.is_error
    assert endless.structured_content["error"]["kind"] == "logs"
    assert "run_code" in found.instructions


async def ask(found, user, mode, ticket):
    """A server that asks in the middle of a program reaches a client with a session, and no other."""
    closed = await run(found, CLOSE.format(id=ticket))
    if mode == "legacy":
        assert closed.structured_content["value"]["status"] == "closed", closed
        assert len(user.asked) == 1
    else:
        assert "asks the user for something" in closed.structured_content["error"]["message"]
        assert user.asked == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_stock_client_runs_programs(plan, monkeypatch, mode, transport):
    monkeypatch.setenv("TEST_SEAL_KEY", "a key for this test only")
    user = User()
    with anyio.fail_after(90):
        if transport == "http":
            async with (
                runtime("--plan", plan) as running,
                client(running.url(), mode, elicitation_callback=user.elicit) as found,
            ):
                await exercise(found, user, mode)
        else:
            command = stdio("dev", "--plan", plan)
            command.env["TEST_SEAL_KEY"] = "a key for this test only"
            async with Client(command, mode=mode, elicitation_callback=user.elicit) as found:
                await exercise(found, user, mode)


async def test_with_several_workers_programs_run_in_each(plan, monkeypatch):
    monkeypatch.setenv("TEST_SEAL_KEY", "a key for this test only")
    with anyio.fail_after(90):
        async with runtime("--plan", plan, "--workers", "2") as running:
            for _ in range(4):
                async with client(running.url(), "auto") as found:
                    ran = await run(found, "(await notes_get_note(id=1))['id']")
                    assert ran.structured_content["value"] == 1
