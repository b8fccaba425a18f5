"""What a program gets of a call: a value of the declared shape, or an error that it can catch, or none any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from meshplan.runtime import jsonbytes
from meshplan.runtime.errors import NOT_READY, UNAUTHENTICATED, UPSTREAM_TIMEOUT, RefusedError, RpcError
from meshplan.runtime.shapes import items, members, text
from meshplan.runtime.strategies.problems import UNKNOWN, code_of

MAX_MESSAGE: Final = 2_000
"""Characters of an error that are passed on."""
_PART: Final = 8
"""A result may be so much smaller than the memory of the program that gets it."""


class CallFailed(Exception):
    """A call that failed in a way that the program may deal with: ``type`` is the Python error that it gets."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type


@dataclass(frozen=True, slots=True)
class Failure:
    """What a program is told of a failed call; ``stops`` is the kind of ending where it may not go on."""

    type: str
    message: str
    stops: str | None = None


def value_of(result: Mapping[str, Any], *, structured: bool, most: int) -> msgspec.Raw:
    """As JSON: the structured content of a ``CallToolResult`` that declares it, else its text, else its blocks.

    Raises ``CallFailed``, also where it is large for a program that has ``most`` bytes of memory.
    """
    if result.get("resultType") == "input_required":
        raise CallFailed("RuntimeError", "it asks the user for something, which no program can answer: call it alone")
    if result.get("isError") is True:
        raise CallFailed("RuntimeError", _text(items(result.get("content"))) or "it failed and does not say why")
    declared = structured and "structuredContent" in result
    value = result["structuredContent"] if declared else _plain(items(result.get("content")))
    text = jsonbytes.encode(value)
    if len(text) > most // _PART:
        raise CallFailed("MemoryError", "its result is too large for a program of this memory")
    return msgspec.Raw(text)


def _plain(blocks: list[Any]) -> Any:
    if all((members(block) or {}).get("type") == "text" for block in blocks):
        return _text(blocks)
    return blocks


def _text(blocks: list[Any]) -> str:
    found = [text((members(block) or {}).get("text")) for block in blocks]
    return "\n".join(one for one in found if one is not None)


def failure_of(function: str, error: RpcError | CallFailed | ValueError) -> Failure:
    """What a failed call is to the program that made it."""
    message = f"{function}: {error}"[:MAX_MESSAGE]
    if isinstance(error, CallFailed):
        return Failure(error.type, message)
    if isinstance(error, ValueError):
        return Failure("ValueError", message)
    if code_of(error) == "budget_exceeded":
        return Failure("RuntimeError", message, "budget")
    if error.code in (UNAUTHENTICATED, NOT_READY):
        return Failure("RuntimeError", message, "access")
    if isinstance(error, RefusedError):
        return Failure("LookupError" if code_of(error) == UNKNOWN else "PermissionError", message)
    if error.code == UPSTREAM_TIMEOUT:
        return Failure("TimeoutError", message)
    if code_of(error) == "invalid_arguments":
        return Failure("ValueError", message)
    return Failure("RuntimeError", message)
