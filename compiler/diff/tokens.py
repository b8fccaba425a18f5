"""What the lists of two plans cost, side by side: each endpoint whole, and by role."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace

from meshplan.compiler.diff.model import TokenCost
from meshplan.compiler.tokens import Memo, SurfaceTokens, all_tokens
from meshplan.schemas.bundle import Bundle


def token_costs(before: Bundle | None, after: Bundle | None) -> tuple[TokenCost, ...]:
    """Sorted by endpoint, the whole surface first, then by role; ``None`` on a side where there is no such list.

    ``limit`` is `max_tokens`, of the later plan where it has the endpoint; it bounds the whole surface and no role's.
    """
    memo: Memo = {}
    old = all_tokens(before, memo) if before else {}
    new = all_tokens(after, memo) if after else {}
    rows: list[TokenCost] = []
    for endpoint in sorted({*old, *new}):
        was, now = old.get(endpoint), new.get(endpoint)
        limit = _limit(after, endpoint) if now else _limit(before, endpoint)
        rows.append(TokenCost(endpoint, None, was and was.whole, now and now.whole, limit))
        rows += [TokenCost(endpoint, role, _of(was, role), _of(now, role), None) for role in _roles(was, now)]
    return tuple(rows)


def token_changes(before: Bundle, after: Bundle) -> tuple[TokenCost, ...]:
    """The rows of ``token_costs`` that differ; an endpoint that nothing has touched is not counted at all."""
    names = {name for name in {*before.plan.endpoints, *after.plan.endpoints} if _differs(before, after, name)}
    names |= set(_reached(before, after))
    rows = token_costs(_only(before, names), _only(after, names))
    return tuple(row for row in rows if row.before != row.after)


def _differs(before: Bundle, after: Bundle, name: str) -> bool:
    """Whether an endpoint is another one, or a definition of what it offers."""
    old, new = before.plan.endpoints.get(name), after.plan.endpoints.get(name)
    if old is None or new is None or old != new:
        return True
    was, now = before.plan.capabilities, after.plan.capabilities
    return any(was[o.capability].definition != now[o.capability].definition for o in new.offers)


def _reached(before: Bundle, after: Bundle) -> Iterator[str]:
    """The endpoints that offer something of which a rule says something else, or another role has it."""
    old, new = before.plan.access, after.plan.access
    rules = {name for name in {*old.rules, *new.rules} if old.rules.get(name) != new.rules.get(name)}
    for role in {*old.roles, *new.roles}:
        rules.update({*old.roles.get(role, ())} ^ {*new.roles.get(role, ())})
    covers = [c for side in (old, new) for name in rules if name in side.rules for c in side.rules[name].covers]
    touched = frozenset(covers)
    for plan in (before.plan, after.plan) if touched else ():
        for name, endpoint in plan.endpoints.items():
            if any(offer.capability in touched for offer in endpoint.offers):
                yield name


def _only(bundle: Bundle, names: AbstractSet[str]) -> Bundle:
    """The bundle with some of its endpoints."""
    kept = {name: endpoint for name, endpoint in bundle.plan.endpoints.items() if name in names}
    return replace(bundle, plan=bundle.plan.model_copy(update={"endpoints": kept}))


def _limit(bundle: Bundle | None, endpoint: str) -> int | None:
    return bundle.plan.endpoints[endpoint].max_tokens if bundle else None


def _roles(*sides: SurfaceTokens | None) -> list[str]:
    return sorted({role for side in sides if side for role in side.roles})


def _of(side: SurfaceTokens | None, role: str) -> int | None:
    return side.roles.get(role) if side else None
