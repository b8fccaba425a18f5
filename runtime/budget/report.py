"""How a plan's budgets stand, for `/status`: sums, and no names of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshplan.schemas.budgets import Counter, money, unit_of
from meshplan.schemas.plan import Plan
from meshplan.schemas.spending import Budget


def standing(plan: Plan, counting: Mapping[Counter, int]) -> dict[str, Any]:
    """By budget: its limit, how many counters it has by now, and what the fullest of them holds."""
    found: dict[tuple[str, ...], list[int]] = {}
    for counter, amount in counting.items():
        found.setdefault(counter[:4], []).append(amount)
    return {name: _row(budget, found.get(_kind(budget), [])) for name, budget in sorted(plan.budgets.items())}


def _kind(budget: Budget) -> tuple[str, ...]:
    return budget.counted_as, unit_of(budget), budget.window, budget.zone


def _row(budget: Budget, amounts: list[int]) -> dict[str, Any]:
    used = max(amounts, default=0)
    shown = (money(budget.amount), money(used)) if budget.unit == "money" else (budget.amount, used)
    return {
        "unit": unit_of(budget),
        "window": budget.window,
        "limit": shown[0],
        "used": shown[1],
        "of": budget.of,
        "each": budget.each,
        "counters": len(amounts),
        "on_exceed": budget.on_exceed,
    }
