"""The strategy `code`: clients see one tool that runs a program, and two that find its functions where they are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from meshplan.runtime import jsonbytes
from meshplan.runtime.call import Result
from meshplan.runtime.errors import invalid
from meshplan.runtime.strategies.code import pool, program
from meshplan.runtime.strategies.code.functions import Function, described, found, functions
from meshplan.runtime.strategies.code.values import value_of
from meshplan.runtime.strategies.port import Inner, StrategyError, Surface
from meshplan.runtime.strategies.problems import tool_error
from meshplan.runtime.strategies.search import asked
from meshplan.runtime.strategies.search.ranking import Index
from meshplan.schemas import code_tools, jsontext, meta_tools
from meshplan.schemas.plan import Code

_SCOPES: Final = 256
"""Sets of visible tools for which lists and names are kept ready."""
_LIKE: Final = 3
"""Functions that are named where a name is not known."""
_SERVERS_NAMED: Final = 50
_LONGEST_NAME, _LONGEST_ERROR = 128, 300
"""Characters of a function's name, and of its error, where a result lists the calls."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What callers have who see the same tools: the names of their functions, their servers, and the list."""

    names: tuple[str, ...]
    known: frozenset[str]
    servers: tuple[str, ...]
    listed: tuple[bytes, ...]


class CodeStrategy:
    """See ``port.Strategy``. Everything is made when the plan is loaded, but for what depends on the caller."""

    def __init__(self, surface: Surface, bounds: Code) -> None:
        if not pool.installed():
            raise StrategyError(
                f"endpoint `{surface.endpoint}` has the strategy `code`, and its sandbox is not installed; "
                "install it with `pip install 'meshplan[code]'`"
            )
        self._bounds = bounds
        self.names = frozenset(code_tools.NAMES)
        self.direct = frozenset[str]()
        self.instructions: str | None = (
            f"The tools of this server are functions that programs call: see {code_tools.RUN}, and find functions with "
            f"{meta_tools.SEARCH} where it is listed, before you say that something cannot be done."
        )
        several, documents = functions(surface.tools)
        self._functions = {function.name: function for function in several}
        self._index = Index(documents)
        self._scope = lru_cache(_SCOPES)(self._make_scope)

    def listed(self, visible: frozenset[str]) -> Sequence[bytes]:
        """See ``port.Strategy``: nothing to who may use nothing."""
        return self._scope(visible).listed

    async def call(self, name: str, arguments: Mapping[str, Any], inner: Inner) -> Result:
        """See ``port.Strategy``."""
        scope = self._scope(inner.visible)
        match name:
            case meta_tools.SEARCH:
                return self._search(scope, asked.search(arguments, code_tools.MAX_FOUND))
            case meta_tools.DESCRIBE:
                return self._describe(scope, asked.describe(arguments))
            case _:
                return await self._run(scope, _code(arguments), inner)

    async def _run(self, scope: _Scope, code: str, inner: Inner) -> Result:
        async def ask(function: str, arguments: Mapping[str, Any]) -> Any:
            known = self._functions.get(function)
            result = await inner.call(known.tool.name if known else function, arguments)
            return value_of(result, structured=known is not None and known.structured, most=self._bounds.memory_bytes)

        try:
            owner = inner.request.caller.owner
            ending = await program.run(pool.current(), code, scope.names, self._bounds, ask, owner=owner)
        except pool.SandboxError as error:
            return tool_error("overloaded", str(error))
        return _result(ending, legacy=inner.request.legacy)

    def _search(self, scope: _Scope, wanted: asked.Search) -> dict[str, Any]:
        candidates, unknown = scope.known, list[str]()
        if wanted.servers is not None:
            candidates = frozenset(name for name in candidates if self._functions[name].tool.server in wanted.servers)
            unknown = sorted(wanted.servers.difference(scope.servers))
        ranked = [(query, self._index.rank(query, candidates, wanted.limit)) for query in wanted.queries]
        results = [(query, [self._functions[name] for name in names]) for query, names in ranked]
        nothing = not any(several for _, several in results)
        named = ", ".join(scope.servers[:_SERVERS_NAMED])
        what = f"there is no server {' or '.join(unknown)}" if unknown else "try other words"
        return found(results, f"{what}; the servers here are {named}" if unknown or nothing else None)

    def _describe(self, scope: _Scope, names: Sequence[str]) -> dict[str, Any]:
        known = [self._functions[name] for name in names if name in scope.known]
        missing = [name for name in names if name not in scope.known]
        return described(known, {name: self._index.rank(name, scope.known, _LIKE) for name in missing})

    def _make_scope(self, visible: frozenset[str]) -> _Scope:
        several = [one for one in self._functions.values() if one.tool.capability in visible]
        names = tuple(one.name for one in several)
        servers = tuple(sorted({one.tool.server for one in several}))
        return _Scope(names, frozenset(names), servers, tuple(_own(several)) if several else ())


def _own(several: Sequence[Function]) -> list[bytes]:
    """Its own tools, with hints that hold for all that the caller can reach through them."""
    effects = {one.tool.effect for one in several}
    tools = code_tools.listed(
        (one.stub for one in several),
        destructive="destructive" in effects,
        read_only=effects == {"read"},
        open_world=any(one.open_world for one in several),
    )
    return [jsontext.canonical(tool).encode() for tool in tools]


def _code(arguments: Mapping[str, Any]) -> str:
    code = arguments.get("code")
    if set(arguments) != {"code"} or not isinstance(code, str):
        raise invalid(f"{code_tools.RUN} takes `code`, the text of a program, and nothing else", "invalid_arguments")
    if len(code) > code_tools.MAX_CODE:
        raise invalid(f"a program has at most {code_tools.MAX_CODE} characters", "invalid_arguments")
    return code


def _result(ending: program.Ending, *, legacy: bool) -> bytes:
    """What came of a program: its value, what it printed, and which calls it made, also where it failed."""
    calls: list[dict[str, Any]] = []
    for made in ending.calls[: code_tools.MAX_CALLS_TOLD]:
        took = None if made.seconds is None else round(1000 * made.seconds)
        failed = {} if made.error is None else {"error": made.error[:_LONGEST_ERROR]}
        calls.append({"function": made.function[:_LONGEST_NAME], "ms": took, **failed})
    told: dict[str, Any] = {"value": ending.value, "logs": ending.logs, "calls": calls}
    if len(ending.calls) > len(calls):
        told["callsNotListed"] = len(ending.calls) - len(calls)
    if ending.kind is not None:
        told["error"] = {"kind": ending.kind, "message": ending.message, "line": ending.line}
    text = jsonbytes.encode(told)
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": text.decode()}],
        "structuredContent": msgspec.Raw(text),
        "isError": ending.kind is not None,
    }
    return jsonbytes.encode(result if legacy else {**result, "resultType": "complete"})
