"""What an endpoint's list would cost by each strategy, and whether another one would serve its clients better."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from meshplan.compiler.tokens import Memo, Tool, bundle_tools, listed_tokens
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.plan import Code, Endpoint, Passthrough, Search, Strategy

_KINDS: tuple[Strategy, ...] = (
    Passthrough(),
    Search(max_results=10, pinned=()),
    Code(wall_ms=1, memory_bytes=1, calls=1, output_bytes=1, logs_bytes=1),
)
_LARGE = 3_000
"""Tokens of a list from where on it pays to look for tools: a search and its answer cost a model a few hundred, and a round."""


def by_strategy(strategy: Strategy, tools: Collection[Tool]) -> dict[str, int]:
    """About how many tokens the list costs by each built-in strategy; its own with its settings, the others plain."""
    return {kind.kind: listed_tokens(strategy if kind.kind == strategy.kind else kind, tools) for kind in _KINDS}


def strategy_tokens(bundle: Bundle) -> dict[str, dict[str, int]]:
    """The same for every endpoint of a plan, by its name; without those that offer no tool."""
    known: Memo = {}
    tools = {name: bundle_tools(bundle, name, known) for name in sorted(bundle.plan.endpoints)}
    return {name: by_strategy(bundle.plan.endpoints[name].strategy, found) for name, found in tools.items() if found}


def advice(endpoint: Endpoint, costs: Mapping[str, int]) -> str | None:
    """Which other strategy would cost less, if that is worth it.

    ``passthrough`` as soon as it costs no more: nothing has to be found first. ``search`` where the list is large;
    a program is for those who know that they want one, and a plug-in's cost is not known.
    """
    kind = endpoint.strategy.kind
    now = costs.get(kind)
    if now is None:
        return None
    if kind != "passthrough":
        return "passthrough" if costs["passthrough"] <= now else None
    return "search" if now >= _LARGE and costs["search"] < now else None
