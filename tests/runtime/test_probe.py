"""The probe against real servers: everything that they list, as they sent it, and why the others cannot be asked."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from meshplan.runtime.probe import main_probe, probe
from meshplan.schemas.plan import BearerAuth, FromEnv, HttpTransport, Server, StdioTransport

ROOT = Path(__file__).parents[2]
RAW_STDIO = ROOT / "tests" / "servers" / "raw_stdio.py"


def stdio(*argv) -> Server:
    return Server(transport=StdioTransport(argv=(sys.executable, *argv), env={}, cwd="."), timeout_ms=1, relays=())


def http(port, token=None) -> Server:
    auth = BearerAuth(token=token) if token is not None else None
    url = f"http://127.0.0.1:{port}/mcp"
    return Server(transport=HttpTransport(url=url, headers={}, auth=auth), timeout_ms=1, relays=())


async def results(servers, seconds=30.0):
    with anyio.fail_after(60):
        return {result["server"]: result async for result in probe(servers, ROOT, seconds)}


@pytest.mark.parametrize(("era", "version"), [("modern", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_definitions_of_all_pages_come_as_they_were_sent(era, version):
    found = (await results({"s": stdio(str(RAW_STDIO), era)}))["s"]

    assert found["ok"] is True
    assert found["protocol_version"] == version
    assert found["capabilities"] == {"tools": {"listChanged": True}, "resources": {}}
    assert found["server_info"] == ({"name": "raw", "version": "1", "future": True} if era == "legacy" else None)
    assert found["tools"] == [
        {"name": "echo", "inputSchema": {"type": "object"}, "future": 1.5},
        {"name": "hold", "inputSchema": {"type": "object"}},
    ]
    assert found["resources"] == [{"uri": "a:b", "name": "b"}]
    assert found["resource_templates"] == []
    assert found["prompts"] == []


async def test_one_bad_server_does_not_spoil_the_others():
    servers = {
        "notes": stdio("examples/servers/notes.py"),
        "raw": stdio(str(RAW_STDIO), "modern"),
        "down": http(9),
        "secret": http(9, FromEnv(name="MESH_UNSET")),
        "hangs": stdio(str(RAW_STDIO), "modern", "hang"),
    }
    found = await results(servers, 6.0)

    assert {name: result.get("kind", "ok") for name, result in found.items()} == {
        "notes": "ok",
        "raw": "ok",
        "down": "unreachable",
        "secret": "secret",
        "hangs": "timeout",
    }
    assert found["secret"]["message"] == "environment variable `MESH_UNSET` is not set"
    assert found["notes"]["server_info"]["name"] == "notes"
    assert {tool["name"] for tool in found["notes"]["tools"]} >= {"list_notes", "create_note", "delete_note"}
    assert all(found["notes"][section] for section in ("prompts", "resources", "resource_templates"))


async def test_the_command_reads_a_request_and_prints_json_lines():
    lines = []
    asked = {
        "servers": {
            "s": stdio(str(RAW_STDIO), "legacy").model_dump(mode="json"),
            "down": http(9).model_dump(mode="json"),
        },
        "root": str(ROOT),
        "timeout_ms": 20000,
    }
    assert await main_probe(json.dumps(asked), lines.append) == 0

    found = {result["server"]: result for result in map(json.loads, lines)}
    assert found["s"]["tools"][0]["future"] == 1.5
    assert found["down"] == {
        "server": "down",
        "ok": False,
        "kind": "unreachable",
        "message": "cannot connect: connection refused",
    }


async def test_a_request_that_is_not_understood_is_a_usage_error(capsys):
    lines = []
    assert await main_probe('{"servers": {}, "timeout": 1}', lines.append) == 64
    assert lines == []
    assert capsys.readouterr().err == "the probe's `timeout` is not understood: Extra inputs are not permitted\n"


async def test_no_server_gives_no_line():
    assert await results({}) == {}


@pytest.mark.parametrize(("sessions", "more"), [("shared", []), ("per_client", ["elicitation", "roots", "sampling"])])
async def test_where_clients_can_be_asked_what_is_listed_to_such_clients_is_found(sessions, more):
    server = stdio(str(ROOT / "tests/servers/asking.py"), "by-capability").model_copy(update={"sessions": sessions})
    found = (await results({"s": server}))["s"]
    assert [tool["name"] for tool in found["tools"]] == ["ask", "seen", *more]
