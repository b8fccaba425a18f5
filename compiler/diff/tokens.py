"""What the lists of two plans cost, side by side: each endpoint whole, and by role."""

from __future__ import annotations

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


def _limit(bundle: Bundle | None, endpoint: str) -> int | None:
    return bundle.plan.endpoints[endpoint].max_tokens if bundle else None


def _roles(*sides: SurfaceTokens | None) -> list[str]:
    return sorted({role for side in sides if side for role in side.roles})


def _of(side: SurfaceTokens | None, role: str) -> int | None:
    return side.roles.get(role) if side else None
