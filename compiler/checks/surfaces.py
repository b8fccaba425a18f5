"""Endpoints whose list would cost a client more than their `max_tokens`."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.lower.endpoints import lower_endpoint
from meshplan.compiler.marks import locate
from meshplan.compiler.resolved import Resolved
from meshplan.compiler.rules import report
from meshplan.compiler.strategies import by_strategy
from meshplan.compiler.tokens import Memo, Recorded, Tool, listed_tokens, listed_tools, offered_tools
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.plan import Endpoint, Strategy

_LARGEST = 3


def judged_surfaces(draft: Draft) -> list[Diagnostic]:
    """What is too large, and what would make it smaller; endpoints without `max_tokens` are not counted at all."""
    if draft.resolved is None or draft.mesh is None or draft.root is None:
        return []
    found: list[Diagnostic] = []
    memo: Memo = {}
    for resolved in draft.resolved.endpoints:
        virtual = draft.mesh.virtual[resolved.name]
        if virtual.max_tokens is None:
            continue
        endpoint = lower_endpoint(resolved, virtual)
        tools = _tools(draft.resolved, endpoint, memo)
        cost = listed_tokens(endpoint.strategy, tools)
        if cost > virtual.max_tokens:
            span = locate(draft.root, ("virtual", resolved.name, "max_tokens")).value_span()
            costs = (
                f"`{resolved.name}` costs about {cost:,} tokens, more than its `max_tokens` of {virtual.max_tokens:,}"
            )
            found.append(report("over-budget-surface", span, costs, help=_advice(endpoint.strategy, tools, cost)))
    return found


def _tools(resolved: Resolved, endpoint: Endpoint, memo: Memo) -> list[Tool]:
    def lookup(capability: str) -> Recorded | None:
        key = CapabilityKey.of(capability)
        if key.kind != "tool":
            return None
        locked = resolved.capabilities[key].locked
        return Recorded(key.name, locked.digest, locked.text)

    return offered_tools(endpoint, lookup, memo)


def _advice(strategy: Strategy, tools: list[Tool], cost: int) -> str:
    listed = sorted(listed_tools(strategy, tools), key=lambda tool: (-tool.units, tool.name))[:_LARGEST]
    parts: list[str] = []
    if listed:
        largest = _joined([f"`{tool.name}` ({tool.tokens:,})" for tool in listed])
        parts.append(
            f"the largest tools are {largest}" if len(listed) > 1 else f"{largest} is the only one that is listed"
        )
    others = by_strategy(strategy, tools)
    cheaper = [f"about {tokens:,} with `strategy: {kind}`" for kind, tokens in others.items() if tokens < cost]
    if cheaper:
        parts.append(f"it would cost {' and '.join(cheaper)}")
    return "; ".join(parts) or "raise the limit, or leave it out"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
