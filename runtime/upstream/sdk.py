"""The one place that touches the MCP SDK's provisional seams; importing it costs the import of the whole SDK."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from pathlib import Path
from typing import Any, Final, TextIO

import httpx2
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.dispatcher import CallOptions, DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LOG_LEVEL_META_KEY,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)

__all__ = [
    "CLIENT_CAPABILITIES_META_KEY",
    "CLIENT_INFO_META_KEY",
    "CONNECTION_CLOSED",
    "HANDSHAKE_PROTOCOL_VERSIONS",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "LATEST_HANDSHAKE_VERSION",
    "LATEST_MODERN_VERSION",
    "LOG_LEVEL_META_KEY",
    "MCP_METHOD_HEADER",
    "MCP_NAME_HEADER",
    "MCP_PROTOCOL_VERSION_HEADER",
    "METHOD_NOT_FOUND",
    "MODERN_PROTOCOL_VERSIONS",
    "NAME_BEARING_METHODS",
    "PARSE_ERROR",
    "PROTOCOL_VERSION_META_KEY",
    "SERVER_INFO_META_KEY",
    "UNSUPPORTED_PROTOCOL_VERSION",
    "CallOptions",
    "DispatchContext",
    "JSONRPCDispatcher",
    "MCPError",
    "Streams",
    "TransportContext",
    "encode_header_value",
    "open_http",
    "open_stdio",
    "sender_context",
    "synthesised",
]

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""One message of an HTTP upstream, JSON body or SSE event."""

Reader = ReadStream[SessionMessage | Exception]
Writer = WriteStream[SessionMessage]
Streams = tuple[Reader, Writer]


def open_http(url: str, client: httpx2.AsyncClient) -> AbstractAsyncContextManager[Streams]:
    """Streams of a streamable HTTP server; enter and exit it in one task."""
    return streamable_http_client(url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES)


def open_stdio(
    argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, errlog: TextIO
) -> AbstractAsyncContextManager[Streams]:
    """Streams of a child process, which gets the SDK's small default environment and ``env``; raises ``OSError``."""
    parameters = StdioServerParameters(command=argv[0], args=list(argv[1:]), env=dict(env), cwd=cwd)
    return stdio_client(parameters, errlog=errlog)


def sender_context(read: Reader) -> Context | None:
    """The context variables of the task that received the message being dispatched; ``None`` for stdio."""
    found: Any = getattr(read, "last_context", None)
    return found if isinstance(found, Context) else None


_LOST = ("Connection closed", "SSE stream ended", "SSE stream failed")
_UNREADABLE = ("Failed to parse",)


def synthesised(error: MCPError) -> str | None:
    """Why the SDK made up this error itself, or ``None`` where it came from the server.

    The SDK answers a request that can get no answer with an error of its own, in the same shape as the server's.
    """
    if error.data is None and error.code == CONNECTION_CLOSED and error.message.startswith(_LOST):
        return "the connection was closed before the answer"
    if error.data is None and error.code == PARSE_ERROR and error.message.startswith(_UNREADABLE):
        return "the answer is not a JSON-RPC message"
    return None
