"""What spans and metrics say, by the names of OpenTelemetry's conventions for MCP; knows no SDK.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from meshplan.runtime.telemetry.methods import METHODS
from meshplan.schemas.plan import HttpTransport, OpenApiTransport, Transport

Attributes = dict[str, str | int]

OTHER: Final = "_OTHER"
"""What stands for a name that somebody made up."""
LONGEST: Final = 256
"""Characters of what a caller made up."""
_FINE: Final = frozenset({"ok", "input_required"})
_NAMES: Final = frozenset({"gen_ai.tool.name", "gen_ai.prompt.name"})
_UNBOUNDED: Final = frozenset({"mcp.resource.uri", "mcp.session.id", "jsonrpc.request.id"})
_WITH_URI: Final = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})
CALLERS_FAULT: Final = frozenset({-32700, -32600, -32601, -32602, -32002})
"""Codes that are no errors of who answers (``rpc.response.status_code`` of servers)."""
_CODES: Final = frozenset({-32700, *range(-32603, -32599), *range(-32099, -31999), *range(-31099, -31000)})
"""JSON-RPC's own codes (5.1), those that it leaves to servers, MCP's among them, and ours."""


def of_request(method: str, params: Mapping[str, Any]) -> Attributes:
    """Of a request; a URI without its query, which may hold anything, and a method only where there is such a one."""
    found: Attributes = {"mcp.method.name": method if method in METHODS else OTHER}
    name, uri = params.get("name"), params.get("uri")
    if method == "tools/call":
        found["gen_ai.operation.name"] = "execute_tool"
    if isinstance(name, str) and method in ("tools/call", "prompts/get"):
        found["gen_ai.tool.name" if method == "tools/call" else "gen_ai.prompt.name"] = name[:LONGEST]
    if isinstance(uri, str) and method in _WITH_URI:
        found["mcp.resource.uri"] = _plain(uri)
    return found


def _plain(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))[:LONGEST]


def of_message(version: str | None, session: str | None, request_id: str | int | None) -> Attributes:
    """Of the message that a client's request came in."""
    found = {"mcp.protocol.version": version, "mcp.session.id": session}
    said: Attributes = {name: value for name, value in found.items() if value is not None}
    return said if request_id is None else {**said, "jsonrpc.request.id": str(request_id)[:LONGEST]}


def of_transport(transport: str) -> Attributes:
    """Of tcp or pipe."""
    found: Attributes = {"network.transport": transport}
    return found if transport == "pipe" else {**found, "network.protocol.name": "http"}


@lru_cache(1024)
def _place(url: str) -> tuple[tuple[str, str | int], ...]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return ("server.address", parts.hostname or ""), ("server.port", port)


def of_server(transport: Transport, replica: int = 0) -> Attributes:
    """Of where a request goes: to the server itself, else to its replica of this number."""
    if isinstance(transport, HttpTransport | OpenApiTransport):
        replicas = transport.replicas if isinstance(transport, HttpTransport) else ()
        return {**of_transport("tcp"), **dict(_place((transport.url, *replicas)[replica]))}
    return of_transport("pipe")


def of_error(outcome: str, code: int | None, *, of_callers: bool = True) -> Attributes:
    """Of how it ended; ``code`` is that of the JSON-RPC error, where there was one.

    ``of_callers``: whoever answers is not at fault where the code says that the caller is.
    """
    if code is None:
        return {} if outcome in _FINE else {"error.type": outcome}
    said: Attributes = {"rpc.response.status_code": str(code)}
    return said if of_callers and code in CALLERS_FAULT else {**said, "error.type": str(code)}


def name_of(attributes: Attributes, *, known: bool) -> str:
    """A span's name; what it is about is in it where that is ``known``, so that nobody can make up names."""
    method = str(attributes["mcp.method.name"])
    target = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.prompt.name")
    return method if target is None or not known else f"{method} {target}"


def measured(attributes: Attributes, error: Attributes, *, known: bool) -> Attributes:
    """Of a span's attributes those that are bounded in number: names count where they led to a capability."""
    kept = {
        name: value for name, value in attributes.items() if name not in _UNBOUNDED and (known or name not in _NAMES)
    }
    return kept | _bounded(error)


def _bounded(error: Attributes) -> Attributes:
    """A server may answer with any number."""
    code = error.get("rpc.response.status_code")
    return error if code is None or int(code) in _CODES else dict.fromkeys(error, OTHER)
