"""A plan at a glance: endpoints with what they offer, servers, access in numbers, the digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from meshplan.compiler.assure.verdict import Verdict
from meshplan.compiler.assure.words import result
from meshplan.compiler.render.words import counted
from meshplan.compiler.strategies import advice, strategy_tokens
from meshplan.compiler.tokens import all_tokens
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import KINDS
from meshplan.schemas.plan import Endpoint, Plan, StdioTransport

FORMAT = "mesh.dev/plan-summary/v1"
_ROLES = 4
"""Roles whose costs fit on a line."""


def plan_data(bundle: Bundle, verdicts: Sequence[Verdict] = ()) -> dict[str, Any]:
    """The summary as JSON data."""
    plan = bundle.plan
    tokens, strategies = all_tokens(bundle), strategy_tokens(bundle)
    return {
        "format": FORMAT,
        "mesh": plan.mesh,
        "digest": bundle.digest,
        "servers": {
            name: server.transport.kind + ":" + _where(server.transport)
            for name, server in sorted(plan.servers.items())
        },
        "endpoints": {
            name: {
                "offers": _counts(plan, endpoint),
                "effects": _effects(plan, endpoint),
                "live": list(endpoint.live),
                "tokens": tokens[name].whole,
                "max_tokens": endpoint.max_tokens,
                "tokens_by_role": dict(tokens[name].roles),
                "strategy": endpoint.strategy.kind,
                "tokens_by_strategy": strategies.get(name, {}),
                "advice": advice(endpoint, strategies.get(name, {})),
            }
            for name, endpoint in sorted(plan.endpoints.items())
        },
        "access": {
            "roles": len(plan.access.roles),
            "rules": len(plan.access.rules),
            "grants": len(plan.access.grants),
            "keys": len(plan.identity.keys),
        },
        "invariants": {
            verdict.statement.name: {
                "holds": verdict.holds,
                "capabilities": verdict.meant,
                "annotated": verdict.annotated,
                "assumed": verdict.assumed,
            }
            for verdict in verdicts
        },
    }


def _where(transport: Any) -> str:
    return transport.argv[0] if isinstance(transport, StdioTransport) else transport.url


def _counts(plan: Plan, endpoint: Endpoint) -> dict[str, int]:
    found = Counter(plan.capabilities[offer.capability].kind for offer in endpoint.offers)
    return {kind: found[kind] for kind in KINDS if found[kind]}


def _effects(plan: Plan, endpoint: Endpoint) -> dict[str, int]:
    tools = [plan.capabilities[o.capability] for o in endpoint.offers]
    return dict(sorted(Counter(c.effect for c in tools if c.kind == "tool").items()))


def _cost(endpoint: dict[str, Any]) -> str:
    """What the list of tools costs a client: for everybody, then for a principal with just one role."""
    limit = endpoint["max_tokens"]
    whole = f"about {endpoint['tokens']:,} tokens" + (f" of {limit:,}" if limit is not None else "")
    less = [f"`{role}` {cost:,}" for role, cost in endpoint["tokens_by_role"].items() if cost != endpoint["tokens"]]
    return whole + (f" ({', '.join(less[:_ROLES])}{', …' if len(less) > _ROLES else ''})" if less else "")


def _strategies(endpoint: dict[str, Any]) -> list[str]:
    """What each strategy would cost, and which would be better."""
    costs, kind, better = endpoint["tokens_by_strategy"], endpoint["strategy"], endpoint["advice"]
    if not costs:
        return []
    shown = ", ".join(f"{name} {cost:,}" for name, cost in costs.items())
    lines = [f"    by strategy: {shown}" + ("" if kind == "passthrough" else f"; it is `{kind}`")]
    if better is not None:
        less = costs[kind] - costs[better]
        lines.append(f"    advice: `strategy: {better}` costs every client {_LESS[better].format(less=f'{less:,}')}")
    return lines


_LESS = {
    "search": "about {less} tokens less; tools are then found by a call first",
    "passthrough": "about {less} tokens less, and no call to find a tool first",
}


def render_plan(bundle: Bundle, verdicts: Sequence[Verdict] = ()) -> str:
    """The summary as text."""
    data = plan_data(bundle, verdicts)
    lines = [f"plan {bundle.digest[:19]}… of mesh `{data['mesh']}`", ""]
    for name, endpoint in data["endpoints"].items():
        offers = ", ".join(counted(count, kind) for kind, count in endpoint["offers"].items())
        effects = ", ".join(f"{count} {effect}" for effect, count in endpoint["effects"].items())
        live = f"; live resources of {', '.join(endpoint['live'])}" if endpoint["live"] else ""
        lines.append(f"  /mcp/{name}: {offers or 'nothing static'}" + (f" ({effects})" if effects else "") + live)
        lines[-1] += f"; {_cost(endpoint)}" if endpoint["offers"].get("tool") else ""
        lines += _strategies(endpoint)
    access = data["access"]
    totals = {"servers": len(data["servers"]), **access}
    lines += ["", "  " + ", ".join(counted(number, what.removesuffix("s")) for what, number in totals.items())]
    if verdicts:
        lines += ["", *(f"  invariant `{verdict.statement.name}` {result(verdict)}" for verdict in verdicts)]
    return "\n".join(lines) + "\n"
