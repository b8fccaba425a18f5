"""How budgets stand, as numbers for dashboards and alerts: by scope, with so many of these that no metric explodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshplan.runtime.active import Active
from meshplan.runtime.budget.counting import Counting
from meshplan.schemas.budgets import Counter, unit_of
from meshplan.schemas.spending import Budget

MOST: Final = 50
"""Scopes of one budget that are told apart; the others are added up."""
OTHER: Final = "other"
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Gauge:
    """One budget: calls, tokens, or money in its currency; ``usage`` by scope, ``utilization`` of its fullest counter."""

    budget: str
    unit: str
    window: str
    limit: float
    usage: Mapping[str, float]
    utilization: float


class Gauges:
    """Remembers which scopes are told apart, so that their series go on."""

    def __init__(self, active: Active, counters: Counting) -> None:
        self._active, self._counters = active, counters
        self._chosen: dict[str, dict[str, None]] = {}

    def look(self) -> list[Gauge]:
        """Every budget of the plan that is served, as it stands now."""
        snapshot = self._active.snapshot
        if snapshot is None or not snapshot.plan.budgets:
            return []
        found: dict[tuple[str, ...], dict[str, int]] = {}
        for counter, used in self._counters.counting().items():
            found.setdefault(counter[:4], {})[counter.scope] = used
        return [self._gauge(name, budget, found) for name, budget in sorted(snapshot.plan.budgets.items())]

    def _gauge(self, name: str, budget: Budget, found: Mapping[tuple[str, ...], Mapping[str, int]]) -> Gauge:
        used = found.get(Counter(budget.counted_as, unit_of(budget), budget.window, budget.zone, "")[:4], {})
        chosen = self._told_apart(name, used)
        usage = {scope: used[scope] for scope in chosen}
        if len(usage) < len(used):
            usage[OTHER] = sum(used.values()) - sum(usage.values())
        by = _NANO if budget.unit == "money" else 1
        fullest = max(used.values(), default=0)
        return Gauge(
            name,
            unit_of(budget),
            budget.window,
            budget.amount / by,
            {scope: amount / by for scope, amount in usage.items()},
            fullest / budget.amount if budget.amount else float(bool(fullest)),
        )

    def _told_apart(self, name: str, used: Mapping[str, int]) -> list[str]:
        """Those of before that are there still, then new ones, the fullest first."""
        before = self._chosen.get(name, {})
        kept = dict.fromkeys(scope for scope in before if scope in used)
        new = sorted((scope for scope in used if scope not in kept), key=lambda scope: (-used[scope], scope))
        self._chosen[name] = kept | dict.fromkeys(new[: MOST - len(kept)])
        return list(self._chosen[name])
