"""What a server of the handshake era may ask of its client in the middle of a call, and who can answer it; pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from meshplan.runtime.shapes import items, members

Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Asks the client (method, params); raises ``RpcError``."""

_DECLARED: Final = ("elicitation", "sampling", "roots")

ALL: Final[Mapping[str, Any]] = {
    "elicitation": {"form": {}, "url": {}},
    "roots": {},
    "sampling": {"context": {}, "tools": {}},
}
"""What a client that can be asked everything declares: some servers list tools to such clients alone."""


def relayed_capabilities(declared: Mapping[str, Any]) -> dict[str, Any]:
    """What a server is told of its client: only what it can be asked through us, and no changes of roots."""
    found = {name: declared[name] for name in _DECLARED if members(declared.get(name)) is not None}
    if "roots" in found:
        found["roots"] = {name: value for name, value in found["roots"].items() if name != "listChanged"}
    return found


def answerable(declared: Mapping[str, Any], method: str, params: Mapping[str, Any]) -> bool:
    """Whether a client that declared these capabilities said that it answers this."""
    match method:
        case "elicitation/create":
            modes, mode = members(declared.get("elicitation")), params.get("mode", "form")
            return modes is not None and (mode in modes or (mode == "form" and not modes))
        case "sampling/createMessage":
            return "sampling" in declared
        case "roots/list":
            return "roots" in declared
        case _:
            return False


def links_in(data: Any) -> dict[str, dict[str, Any]]:
    """The questions in the data of a URL elicitation required error (MCP 2025-11-25); none where it is anything else."""
    given = items((members(data) or {}).get("elicitations"))
    found = [members(one) or {} for one in given]
    if not all(one.get("mode") == "url" and isinstance(one.get("url"), str) for one in found):
        return {}
    return {
        f"q{number}": {"method": "elicitation/create", "params": question_params(one, legacy=False)}
        for number, one in enumerate(found, 1)
    }


def question_params(params: Mapping[str, Any], *, legacy: bool) -> dict[str, Any]:
    """The params as a client gets them: without what only makes sense between the server and us.

    2026-07-28 has no ``elicitationId``; nobody routes tasks of a client, or progress of an answer.
    """
    dropped = {"task"} if legacy else {"task", "elicitationId"}
    kept = {name: value for name, value in params.items() if name not in dropped}
    meta = {name: value for name, value in (members(kept.pop("_meta", None)) or {}).items() if name != "progressToken"}
    return {**kept, "_meta": meta} if meta else kept
