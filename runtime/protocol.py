"""What MCP's revisions fix by name, and the envelope of 2026-07-28 read strictly; pure, and free of the SDK's half second.

Agrees with ``mcp_types`` and ``mcp.shared.inbound`` by test (tests/runtime/test_protocol.py).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from meshplan.runtime.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
)
from meshplan.runtime.shapes import members, text

MODERN_PROTOCOL_VERSIONS: Final = ("2026-07-28",)
HANDSHAKE_PROTOCOL_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")

PROTOCOL_VERSION_META_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_CAPABILITIES_META_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_INFO_META_KEY: Final = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL_META_KEY: Final = "io.modelcontextprotocol/logLevel"
SERVER_INFO_META_KEY: Final = "io.modelcontextprotocol/serverInfo"

MCP_PROTOCOL_VERSION_HEADER: Final = "mcp-protocol-version"
MCP_METHOD_HEADER: Final = "mcp-method"
MCP_NAME_HEADER: Final = "mcp-name"

NAME_BEARING_METHODS: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The member of params that ``Mcp-Name`` repeats (streamable HTTP, Request Metadata)."""

MISSING_REQUIRED_CLIENT_CAPABILITY: Final = -32021
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022
ERROR_CODE_HTTP_STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_REQUIRED_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""The HTTP status of an error response of 2026-07-28; 200 for any other code."""

_SENTINEL = re.compile(r"=\?base64\?(.*)\?=")
_SAFE = re.compile(r"[\x20-\x7E]*")


class Envelope(msgspec.Struct):
    """Who asks, what it can do and what it wants to hear, as one request says itself; values are raw JSON.

    ``progress_token`` and ``log_level`` are those that can be used.
    """

    protocol_version: str
    client_info: Any
    client_capabilities: Any
    progress_token: int | str | None = None
    log_level: str | None = None

    @property
    def streams(self) -> bool:
        """Whether the request asks for notifications, so that its response may become a stream."""
        return self.progress_token is not None or self.log_level is not None


def check_version(version: str) -> None:
    """Raise ``RpcError`` for a version that is not served without a session."""
    if version not in MODERN_PROTOCOL_VERSIONS:
        data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": version}
        raise RpcError(UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)


def read_envelope(method: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Envelope:
    """The envelope in ``_meta``, which the headers (by lower-case name) must repeat; raises ``RpcError``."""
    meta = members(params.get("_meta"))
    if meta is None or PROTOCOL_VERSION_META_KEY not in meta or CLIENT_CAPABILITIES_META_KEY not in meta:
        raise RpcError(INVALID_PARAMS, _lacking(meta))
    version = meta[PROTOCOL_VERSION_META_KEY]
    if headers is not None:
        _check_headers(headers, version, method, params)
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, f"`{PROTOCOL_VERSION_META_KEY}` is not a string")
    check_version(version)
    return Envelope(
        version,
        meta.get(CLIENT_INFO_META_KEY),
        meta[CLIENT_CAPABILITIES_META_KEY],
        usable_token(meta.get("progressToken")),
        text(meta.get(LOG_LEVEL_META_KEY)),
    )


def usable_token(token: Any) -> int | str | None:
    """A progress token, if it is one."""
    return token if isinstance(token, int | str) and not isinstance(token, bool) else None


def _lacking(meta: Mapping[str, Any] | None) -> str:
    wanted = (PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY)
    missing = ", ".join(f"`{key}`" for key in wanted if meta is None or key not in meta)
    return f"`_meta` in the params lacks {missing}"


def _check_headers(headers: Mapping[str, str], version: Any, method: str, params: Mapping[str, Any]) -> None:
    if version is None or headers.get(MCP_PROTOCOL_VERSION_HEADER) != version:
        raise _mismatch(MCP_PROTOCOL_VERSION_HEADER)
    if headers.get(MCP_METHOD_HEADER) != method:
        raise _mismatch(MCP_METHOD_HEADER)
    member = NAME_BEARING_METHODS.get(method)
    name = None if member is None else params.get(member)
    if name is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != name:
        raise _mismatch(MCP_NAME_HEADER)


def _mismatch(header: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"header `{header}` does not match the request's body")


def encode_header_value(value: str) -> str:
    """A text as a header can carry it: as it is, or in base64 between ``=?base64?`` and ``?=`` (SEP-2243)."""
    if _SAFE.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode('ascii')}?="


def decode_header_value(value: str | None) -> str | None:
    """The text behind a header's value; ``None`` where there is no header, or base64 that is not canonical."""
    if value is None or not value.startswith("=?"):
        return value
    found = _SENTINEL.fullmatch(value)
    if found is None:
        return value
    try:
        decoded = base64.b64decode(found[1], validate=True)
        text = decoded.decode()
    except (binascii.Error, ValueError):
        return None
    return text if base64.b64encode(decoded).decode("ascii") == found[1] else None
