"""Requests and results as one server's era spells them; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from meshplan.runtime import protocol
from meshplan.runtime.upstream.exchange import MARK
from meshplan.runtime.upstream.port import UpstreamRequest

CLIENT_INFO: Final[dict[str, Any]] = {"name": "meshplan", "version": "0.1.0"}
"""How we introduce ourselves where the calling client did not introduce itself."""

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the most talkative (RFC 5424, as MCP spells them)."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What a server said when the connection was made; values are raw JSON as it sent them."""

    protocol_version: str
    server_info: dict[str, Any] | None
    capabilities: dict[str, Any]
    instructions: str | None

    @property
    def modern(self) -> bool:
        """Whether requests carry their own envelope (2026-07-28 and later), instead of a session's."""
        return self.protocol_version in protocol.MODERN_PROTOCOL_VERSIONS


def wire_params(request: UpstreamRequest, version: str, token: str | None) -> dict[str, Any]:
    """The params as they leave: with our progress token, and for a modern server with the envelope (SEP-2575)."""
    params = dict(request.params)
    given = params.get("_meta")
    meta: dict[str, Any] = dict(cast("dict[str, Any]", given)) if isinstance(given, dict) else {}
    meta.pop("progressToken", None)
    if token is not None:
        meta["progressToken"] = token
    if version in protocol.MODERN_PROTOCOL_VERSIONS:
        meta[protocol.PROTOCOL_VERSION_META_KEY] = version
        meta[protocol.CLIENT_CAPABILITIES_META_KEY] = dict(request.client_capabilities)
        meta[protocol.CLIENT_INFO_META_KEY] = dict(CLIENT_INFO if request.client_info is None else request.client_info)
        if request.log_level is not None:
            meta[protocol.LOG_LEVEL_META_KEY] = request.log_level
    params["_meta"] = meta
    return params


def wire_headers(method: str, params: dict[str, Any], version: str, extra: dict[str, str]) -> dict[str, str]:
    """The headers that mirror a request to an HTTP server (SEP-2243), and our mark for the layer below."""
    if method == "initialize":
        return {MARK: "1"}
    headers = {protocol.MCP_PROTOCOL_VERSION_HEADER: version, MARK: "1"}
    if version not in protocol.MODERN_PROTOCOL_VERSIONS:
        return headers
    headers[protocol.MCP_METHOD_HEADER] = method
    key = "taskId" if method.startswith("tasks/") else protocol.NAME_BEARING_METHODS.get(method)
    name = params.get(key) if key is not None else None
    if isinstance(name, str):
        headers[protocol.MCP_NAME_HEADER] = protocol.encode_header_value(name)
    return {**headers, **{k: v for k, v in extra.items() if k.lower().startswith("mcp-param-")}}


def wanted_log(level: str | None, params: dict[str, Any]) -> bool:
    """Whether a log message is one that the caller opted in to; an older server does not know who did."""
    if level not in LOG_LEVELS:
        return False
    found = params.get("level")
    return found not in LOG_LEVELS or LOG_LEVELS.index(found) >= LOG_LEVELS.index(level)
