"""The arguments of search's own tools, as they came: what is wrong with them is said, nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from meshplan.runtime.errors import invalid
from meshplan.runtime.shapes import members
from meshplan.schemas.meta_tools import MAX_DESCRIBED, MAX_QUERIES, USUAL_RESULTS


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; ``servers`` is ``None`` for all."""

    queries: tuple[str, ...]
    servers: frozenset[str] | None
    limit: int


def search(arguments: Mapping[str, Any], most: int) -> Search:
    """Read the arguments of `search_tools`; raises ``RpcError``."""
    _known(arguments, "queries", "servers", "limit")
    limit = arguments.get("limit", min(USUAL_RESULTS, most))
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= most:
        raise _wrong(f"`limit` is a number from 1 to {most}")
    servers = _texts(arguments, "servers", None) if "servers" in arguments else None
    return Search(
        tuple(_texts(arguments, "queries", MAX_QUERIES)), None if servers is None else frozenset(servers), limit
    )


def describe(arguments: Mapping[str, Any]) -> list[str]:
    """The names in the arguments of `describe_tools`, each once; raises ``RpcError``."""
    _known(arguments, "tools")
    return _texts(arguments, "tools", MAX_DESCRIBED)


def call(arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """The tool and its arguments in those of `read_tool` and `call_tool`; raises ``RpcError``."""
    _known(arguments, "tool", "arguments")
    name = arguments.get("tool")
    if not isinstance(name, str):
        raise _wrong("`tool` is the name of a tool")
    if "arguments" not in arguments:
        return name, None
    passed_on = members(arguments["arguments"])
    if passed_on is None:
        raise _wrong("`arguments` is an object")
    return name, passed_on


def _known(arguments: Mapping[str, Any], *names: str) -> None:
    for name in arguments:
        if name not in names:
            raise _wrong(f"there is no argument `{name}`: arguments of the tool itself belong into `arguments`")


def _texts(arguments: Mapping[str, Any], name: str, most: int | None) -> list[str]:
    value = arguments.get(name)
    found = cast("list[Any]", value) if isinstance(value, list) else []
    if not found or not all(isinstance(one, str) for one in found) or (most is not None and len(found) > most):
        raise _wrong(f"`{name}` is a list of texts, at least one" + ("" if most is None else f" and at most {most}"))
    return list(dict.fromkeys(found))


def _wrong(message: str) -> Exception:
    return invalid(message, "invalid_arguments")
