"""The tools that the built-in strategies bring themselves, as clients list them: what they cost is part of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEARCH, DESCRIBE, READ, CALL, RUN = "search_tools", "describe_tools", "read_tool", "call_tool", "run_code"
SEARCH_NAMES = (SEARCH, DESCRIBE, READ, CALL)
"""The names that the strategy `search` lists, in its order."""
CODE_NAMES = (SEARCH, DESCRIBE, RUN)
OWN_NAMES: Mapping[str, tuple[str, ...]] = {"search": SEARCH_NAMES, "code": CODE_NAMES}
"""The names that no tool may have which an endpoint with this strategy offers, by kind of strategy."""

MAX_QUERIES, MAX_DESCRIBED = 5, 10
USUAL_RESULTS = 5
"""How many tools a query finds when nobody asks for more."""

_LOOKS: dict[str, Any] = {"idempotentHint": True, "openWorldHint": False, "readOnlyHint": True}
_CALLED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tool": {"type": "string", "description": "Name of the tool as search_tools returns it."},
        "arguments": {
            "type": "object",
            "description": "Arguments matching the tool's input schema.",
            "additionalProperties": True,
        },
    },
    "required": ["tool"],
    "additionalProperties": False,
}
_FOUND: dict[str, Any] = {
    "type": "object",
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "tools": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "tool": {"type": "string"},
                                "signature": {"type": "string"},
                                "summary": {"type": "string"},
                                "readOnly": {"type": "boolean"},
                                "needsDescribe": {"type": "boolean"},
                            },
                            "required": ["tool"],
                        },
                    },
                },
                "required": ["query", "tools"],
            },
        },
        "hint": {"type": "string"},
    },
    "required": ["results"],
}
_DESCRIBED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"tool": {"type": "string"}, "inputSchema": {"type": "object"}},
                "required": ["tool", "inputSchema"],
            },
        },
        "notFound": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "tool": {"type": "string"},
                    "didYouMean": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["tool", "didYouMean"],
            },
        },
    },
    "required": ["tools", "notFound"],
}


def searching(max_results: int) -> list[dict[str, Any]]:
    """What the strategy `search` lists besides pinned tools, hints as for callers who may use anything."""
    return [search_tools(max_results), describe_tools(), read_tool(), call_tool()]


def search_tools(max_results: int) -> dict[str, Any]:
    """Definition of the tool that finds tools."""
    return {
        "name": SEARCH,
        "title": "Search tools",
        "description": (
            "Find tools. Only a few are listed; most must be found here first. Write short keywords naming the product "
            'and the action, e.g. "slack send message", not the user\'s sentence. Returns ranked tools with call '
            "signatures, usually enough to call them."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "queries": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 1,
                    "maxItems": MAX_QUERIES,
                    "description": "One keyword query per capability needed.",
                },
                "servers": {"type": "array", "items": {"type": "string"}, "description": "Only these servers."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": max_results,
                    "default": min(USUAL_RESULTS, max_results),
                },
            },
            "required": ["queries"],
            "additionalProperties": False,
        },
        "outputSchema": _FOUND,
        "annotations": _LOOKS,
    }


def describe_tools() -> dict[str, Any]:
    """Definition of the tool that shows whole definitions."""
    return {
        "name": DESCRIBE,
        "title": "Describe tools",
        "description": (
            f"Full description, input and output schema and annotations of up to {MAX_DESCRIBED} tools found by "
            f"{SEARCH}. Needed only when a signature is marked needsDescribe."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "tools": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_DESCRIBED}
            },
            "required": ["tools"],
            "additionalProperties": False,
        },
        "outputSchema": _DESCRIBED,
        "annotations": _LOOKS,
    }


def read_tool(*, open_world: bool = True) -> dict[str, Any]:
    """Definition of the tool that calls what only reads."""
    return {
        "name": READ,
        "title": "Call a read-only tool",
        "description": "Call a tool that is marked readOnly. Any other tool is refused.",
        "inputSchema": _CALLED,
        "annotations": {"openWorldHint": open_world, "readOnlyHint": True},
    }


def call_tool(*, destructive: bool = True, read_only: bool = False, open_world: bool = True) -> dict[str, Any]:
    """Definition of the tool that calls any tool; the hints say what the worst of these may do."""
    return {
        "name": CALL,
        "title": "Call any tool",
        "description": f"Call a tool that may change something. Use {READ} for readOnly tools.",
        "inputSchema": _CALLED,
        "annotations": {"destructiveHint": destructive, "openWorldHint": open_world, "readOnlyHint": read_only},
    }
