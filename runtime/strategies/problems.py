"""Failures as a model can act on them: a tool result with ``isError``, the same for what is refused and what does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshplan.runtime.errors import (
    CLIENT_CANNOT_ANSWER,
    NOT_READY,
    UNAUTHENTICATED,
    RelayedError,
    RpcError,
)
from meshplan.runtime.protocol import MISSING_REQUIRED_CLIENT_CAPABILITY
from meshplan.runtime.shapes import members

URL_ELICITATION_REQUIRED: Final = -32042
"""MCP 2025-11-25, elicitation: the client itself has to open a page before the call can be tried again."""

UNKNOWN: Final = "unknown_tool"

_FOR_CLIENTS: Final = frozenset(
    {
        UNAUTHENTICATED,
        NOT_READY,
        CLIENT_CANNOT_ANSWER,
        MISSING_REQUIRED_CLIENT_CAPABILITY,
        URL_ELICITATION_REQUIRED,
    }
)
_CODES: Final[Mapping[object, str]] = {
    "not_available": UNKNOWN,
    "not_allowed": "denied",
    "invalid_arguments": "invalid_arguments",
    "invalid_params": "invalid_arguments",
    "upstream_unavailable": "upstream_unavailable",
    "upstream_timeout": "timeout",
    "overloaded": "overloaded",
    "upstream_overloaded": "overloaded",
    "quarantined": "quarantined",
    "over_budget": "budget_exceeded",
    "rate_limited": "budget_exceeded",
}
"""The reason of an error of ours, and what a model is told."""
_RETRYABLE: Final = frozenset({"upstream_unavailable", "overloaded"})


def tool_error(code: str, message: str, *, did_you_mean: Sequence[str] = ()) -> dict[str, Any]:
    """A ``CallToolResult`` that says what went wrong, as text and as structure."""
    error: dict[str, Any] = {"code": code, "message": message, "retryable": code in _RETRYABLE}
    told = message
    if did_you_mean:
        error["didYouMean"] = list(did_you_mean)
        told = f"{message}; did you mean {' or '.join(did_you_mean)}?"
    return {
        "content": [{"type": "text", "text": told}],
        "structuredContent": {"error": error},
        "isError": True,
    }


def code_of(error: RpcError) -> str | None:
    """What a model is told of a failed inner call; ``None`` where the error is for the client that sent the outer one."""
    if error.code in _FOR_CLIENTS:
        return None
    if isinstance(error, RelayedError):
        return "upstream_error"
    return _CODES.get((members(error.data) or {}).get("reason"))
