"""The strategy `search`: clients see four tools and the pinned ones, and find, describe and call the others with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from meshplan.runtime.call import Result
from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.port import Inner, Surface
from meshplan.runtime.strategies.problems import UNKNOWN, code_of, tool_error
from meshplan.runtime.strategies.search import answers, asked
from meshplan.runtime.strategies.search.entries import Entry, read
from meshplan.runtime.strategies.search.ranking import Index
from meshplan.runtime.strategies.search.semantic.hybrid import Hybrid
from meshplan.schemas import jsontext, meta_tools
from meshplan.schemas.plan import Search

_SCOPES: Final = 64
"""Sets of visible tools for which lists and candidates are kept ready."""
_LIKE: Final = 3
"""Tools that are named where a name is not known."""

_INSTRUCTIONS: Final = (
    f"The tools that are listed here are not all: find the others with {meta_tools.SEARCH} before you say that "
    f"something cannot be done, and call them with {meta_tools.READ} or {meta_tools.CALL}."
)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What callers have who see the same tools: their names, those that can be found, their servers, and the list."""

    names: frozenset[str]
    findable: frozenset[str]
    servers: tuple[str, ...]
    listed: tuple[bytes, ...]


class SearchStrategy:
    """See ``port.Strategy``. Everything is made when the plan is loaded, but for what depends on the caller."""

    def __init__(self, surface: Surface, settings: Search) -> None:
        self._most = settings.max_results
        self.names = frozenset(meta_tools.SEARCH_NAMES)
        self.direct = frozenset(settings.pinned)
        self.instructions: str | None = _INSTRUCTIONS
        tools = [read(tool) for tool in surface.tools]
        self._entries = {entry.tool.name: entry for entry, _ in tools}
        documents = [document for _, document in tools if document.id not in self.direct]
        self._index = Index(documents)
        self._hybrid = Hybrid(self._index, documents) if settings.ranker == "semantic" else None
        self._scope = lru_cache(_SCOPES)(self._make_scope)

    def listed(self, visible: frozenset[str]) -> Sequence[bytes]:
        """See ``port.Strategy``: pinned tools in the endpoint's order, then its own; nothing to who may use nothing."""
        return self._scope(visible).listed

    async def call(self, name: str, arguments: Mapping[str, Any], inner: Inner) -> Result:
        """See ``port.Strategy``."""
        scope = self._scope(inner.visible)
        match name:
            case meta_tools.SEARCH:
                return await self._search(scope, asked.search(arguments, self._most))
            case meta_tools.DESCRIBE:
                return self._describe(scope, asked.describe(arguments))
            case _:
                tool, passed_on = asked.call(arguments)
                return await self._call(scope, tool, passed_on, inner, only_reads=name == meta_tools.READ)

    async def _search(self, scope: _Scope, wanted: asked.Search) -> dict[str, Any]:
        candidates, unknown = scope.findable, list[str]()
        if wanted.servers is not None:
            candidates = frozenset(name for name in candidates if self._entries[name].tool.server in wanted.servers)
            unknown = sorted(wanted.servers.difference(scope.servers))
        if self._hybrid is None:
            ranked = [self._index.rank(query, candidates, wanted.limit) for query in wanted.queries]
        else:
            ranked = await self._hybrid.rank(wanted.queries, candidates, wanted.limit)
        found = zip(wanted.queries, ranked, strict=True)
        results = [(query, [self._entries[name] for name in names]) for query, names in found]
        return answers.found(results, scope.servers, unknown)

    def _describe(self, scope: _Scope, names: Sequence[str]) -> dict[str, Any]:
        known = [self._entries[name] for name in names if name in scope.names]
        missing = {name: self._like(scope, name) for name in names if name not in scope.names}
        return answers.described(known, missing)

    def _like(self, scope: _Scope, name: str) -> list[str]:
        return self._index.rank(name, scope.findable, _LIKE)

    async def _call(
        self, scope: _Scope, name: str, arguments: Mapping[str, Any] | None, inner: Inner, *, only_reads: bool
    ) -> Result:
        if only_reads and name in scope.names and not self._entries[name].reads:
            return tool_error("denied", f"tool {name} does more than read: call it with {meta_tools.CALL}")
        try:
            return await inner.forward(name, arguments)
        except RpcError as error:
            code = code_of(error)
            if code is None:
                raise
            return tool_error(code, error.message, did_you_mean=self._like(scope, name) if code == UNKNOWN else ())

    def _make_scope(self, visible: frozenset[str]) -> _Scope:
        entries = [entry for entry in self._entries.values() if entry.tool.capability in visible]
        names = frozenset(entry.tool.name for entry in entries)
        pinned = [entry.tool.definition for entry in entries if entry.tool.name in self.direct]
        return _Scope(
            names=names,
            findable=names - self.direct if self.direct else names,
            servers=tuple(sorted({entry.tool.server for entry in entries})),
            listed=(*pinned, *self._own(entries)) if entries else (),
        )

    def _own(self, entries: Sequence[Entry]) -> list[bytes]:
        """Its own tools, with hints that hold for all that the caller can reach through them."""
        effects = {entry.tool.effect for entry in entries}
        tools = (
            meta_tools.search_tools(self._most),
            meta_tools.describe_tools(),
            meta_tools.read_tool(open_world=_open(entry for entry in entries if entry.reads)),
            meta_tools.call_tool(
                destructive="destructive" in effects, read_only=effects == {"read"}, open_world=_open(entries)
            ),
        )
        return [jsontext.canonical(tool).encode() for tool in tools]


def _open(entries: Iterable[Entry]) -> bool:
    return any(entry.open_world for entry in entries)
