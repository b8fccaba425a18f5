"""The tools that the strategy `code` brings itself, as clients list them: what they cost is part of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshplan.schemas import meta_tools
from meshplan.schemas.stubs import inlined

RUN = meta_tools.RUN
NAMES = meta_tools.CODE_NAMES
"""The names that the strategy `code` lists, in its order; the first two only where there is something to search for."""

MAX_CODE = 65_536
"""Characters of one program."""
MAX_FOUND = 20
"""Functions that one query finds at most."""
MAX_CALLS_TOLD = 100
"""Calls of a program that its result lists."""

_ABOUT = (
    "Run a Python program that calls tools as functions, to do several steps in one go. It is a subset of Python: import "
    "only asyncio, json, re, math, datetime, collections, itertools; no class inheritance, no yield, no files or network. "
    "Await each function and pass arguments by name: `n = await get_note(id='1')`; several at once with "
    "`await asyncio.gather(f(a=1), g())`. A failed call raises an error that you can catch. The last expression, or what "
    "is assigned to `result`, comes back as `value`, what you print as `logs`: filter here, return little."
)
_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "kind": {"type": "string"},
        "message": {"type": "string"},
        "line": {"type": ["integer", "null"]},
    },
    "required": ["kind", "message"],
}
_CALL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "function": {"type": "string"},
        "ms": {"type": ["integer", "null"]},
        "error": {"type": "string"},
    },
    "required": ["function", "ms"],
}
_RAN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {},
        "logs": {"type": "string"},
        "calls": {"type": "array", "items": _CALL},
        "callsNotListed": {"type": "integer"},
        "error": _ERROR,
    },
    "required": ["value", "logs", "calls"],
}


def run_code(
    stubs: str | None, *, destructive: bool = True, read_only: bool = False, open_world: bool = True
) -> dict[str, Any]:
    """Definition of the tool that runs a program; ``stubs`` where all functions fit into its description."""
    where = f"Find functions with {meta_tools.SEARCH} first." if stubs is None else f"The functions:\n{stubs}"
    return {
        "name": RUN,
        "title": "Run code",
        "description": f"{_ABOUT} {where}",
        "inputSchema": {
            "type": "object",
            "properties": {"code": {"type": "string", "maxLength": MAX_CODE}},
            "required": ["code"],
            "additionalProperties": False,
        },
        "outputSchema": _RAN,
        "annotations": {"destructiveHint": destructive, "openWorldHint": open_world, "readOnlyHint": read_only},
    }


def listed(
    stubs: Iterable[str], *, destructive: bool = True, read_only: bool = False, open_world: bool = True
) -> list[dict[str, Any]]:
    """What is listed to who may use the functions with these stubs: one tool where all fit into it, else also search."""
    shown = inlined(stubs)
    run = run_code(shown, destructive=destructive, read_only=read_only, open_world=open_world)
    return [run] if shown is not None else [search_tools(), describe_tools(), run]


def search_tools() -> dict[str, Any]:
    """Definition of the tool that finds functions."""
    plain = meta_tools.search_tools(MAX_FOUND)
    return {
        **plain,
        "description": (
            f"Find functions for {RUN}. Write short keywords naming the product and the action, e.g. "
            '"slack send message", not the user\'s sentence. Returns ranked Python stubs.'
        ),
        "outputSchema": _with_stub(plain["outputSchema"]),
    }


def describe_tools() -> dict[str, Any]:
    """Definition of the tool that shows all that is known of functions."""
    return {
        **meta_tools.describe_tools(),
        "description": f"Full descriptions and schemas of up to {meta_tools.MAX_DESCRIBED} functions, where a stub leaves doubt.",
    }


def _with_stub(schema: dict[str, Any]) -> dict[str, Any]:
    """The shape of what search finds, each tool with its stub in the place of a signature."""
    tool = {
        "type": "object",
        "properties": {"tool": {"type": "string"}, "stub": {"type": "string"}, "readOnly": {"type": "boolean"}},
        "required": ["tool"],
    }
    row = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "tools": {"type": "array", "items": tool}},
        "required": ["query", "tools"],
    }
    return {**schema, "properties": {**schema["properties"], "results": {"type": "array", "items": row}}}
