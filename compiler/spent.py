"""How budgets stand, as a ledger tells it: what each counter has come to, beside the limits of the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshplan.schemas.budgets import Counter, money, unit_of
from meshplan.schemas.spending import Budget


@dataclass(frozen=True, slots=True)
class Stand:
    """One counter; ``limit`` is ``None`` where the mesh has no such budget (any more), ``scope`` where nothing was spent."""

    budget: str
    unit: str
    window: str
    zone: str
    scope: str | None
    used: int
    limit: int | None

    @property
    def percent(self) -> int | None:
        """How much of the limit is used, rounded down."""
        return None if not self.limit else 100 * self.used // self.limit

    def data(self) -> dict[str, str | int | None]:
        """As JSON: money as decimal text, the rest as numbers."""
        plain = self.unit in ("calls", "tokens")
        limit = None if self.limit is None else self.limit if plain else money(self.limit)
        used = self.used if plain else money(self.used)
        named = {
            "budget": self.budget,
            "scope": self.scope,
            "unit": self.unit,
            "window": self.window,
            "zone": self.zone,
        }
        return {**named, "used": used, "limit": limit, "percent": self.percent}

    def amount(self, number: int) -> str:
        """A number in this unit: money as decimal text."""
        return str(number) if self.unit in ("calls", "tokens") else money(number)


def stands(budgets: Mapping[str, Budget], counting: Mapping[Counter, int]) -> list[Stand]:
    """Every counter, the fullest first, and each budget that nothing was spent of."""
    found: list[Stand] = []
    left = dict(counting)
    for name, budget in budgets.items():
        kind = budget.counted_as, unit_of(budget), budget.window, budget.zone
        mine = {counter: used for counter, used in counting.items() if counter[:4] == kind}
        for counter in mine:
            left.pop(counter, None)
        rows = [(counter.scope, used) for counter, used in mine.items()] or [(None, 0)]
        found += [Stand(name, *kind[1:], scope, used, budget.amount) for scope, used in rows]
    found += [Stand(*counter, used, None) for counter, used in left.items()]
    return sorted(found, key=lambda row: (-(row.percent or 0), row.budget, row.scope or ""))
