"""Servers that are down or hang when the runtime starts: everything else works, and they are found when they come."""

import sys
import time

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from runtimes import client, example, free_port, http, runtime

from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import StdioTransport

SECONDS = 2


async def test_down_and_hanging_servers_fail_alone_and_recover(world, tmp_path):
    port = free_port()
    draft = world.draft(timeout_ms=SECONDS * 1000)
    draft.server("tickets", http(port), timeout_ms=SECONDS * 1000)
    hang = StdioTransport(argv=(sys.executable, "-c", "import time; time.sleep(600)"), env={}, cwd=".")
    draft.server("notes", hang, timeout_ms=SECONDS * 1000)
    (tmp_path / "plan").write_text(pack(draft.bundle()))
    with anyio.fail_after(90):
        async with runtime("--plan", tmp_path / "plan") as running, client(running.url(), "auto") as found:
            assert len((await found.list_tools()).tools) == sum(len(w["tools"]) for w in world.found.values())
            assert not (await found.call_tool("catalog_get_product", {"sku": "KET-100"})).is_error
            for name, code, server in (("tickets_get_ticket", -31001, "tickets"), ("notes_get_note", -31002, "notes")):
                begin = time.monotonic()
                with pytest.raises(MCPError, match=f"server `{server}`") as caught:
                    await found.call_tool(name, {"id": 1})
                assert caught.value.error.code in (code, -31001)
                assert time.monotonic() - begin < SECONDS + 1.5
            with example("tickets", port):
                assert not (await found.call_tool("tickets_get_ticket", {"id": 1})).is_error
