"""What a server declared when it was locked, and what of it is relayed."""

import pytest

from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.lower.servers import lower_server
from meshplan.compiler.syntax.servers import HttpServer, StdioServer


@pytest.mark.parametrize(
    ("capabilities", "relays"),
    [
        ({}, ()),
        ({"completions": {}, "logging": {}}, ("completions", "logging")),
        ({"resources": {"subscribe": True}}, ("subscribe",)),
        ({"resources": {"subscribe": False}, "extensions": None}, ()),
        ({"extensions": {"io.modelcontextprotocol/tasks": {}, "x/y": {}}}, ("tasks",)),
        ({"extensions": {"x/y": {}}, "tasks": {}}, ()),
    ],
)
def test_only_what_was_declared_is_relayed(capabilities, relays):
    server = HttpServer(http="http://127.0.0.1:1/mcp")
    lock = ServerLock("s", {"kind": "http"}, "2026-07-28", {}, capabilities, None)
    assert lower_server("s", server, lock).relays == relays


@pytest.mark.parametrize(
    ("revision", "relays"), [("2025-11-25", ("completions",)), ("2026-07-28", ("completions", "tasks"))]
)
def test_what_no_client_can_get_is_not_relayed(revision, relays):
    server = StdioServer(stdio=["python", "server.py"])
    capabilities = {"completions": {}, "logging": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
    lock = ServerLock("s", {"kind": "stdio"}, revision, {}, capabilities, None)
    assert lower_server("s", server, lock).relays == relays


@pytest.mark.parametrize(
    ("written", "meant"),
    [({}, "shared"), ({"sessions": "shared"}, "shared"), ({"sessions": "per_client"}, "per_client")],
)
def test_sessions_are_shared_unless_written_otherwise(written, meant):
    assert lower_server("s", HttpServer(http="http://127.0.0.1:1/mcp", **written), None).sessions == meant
