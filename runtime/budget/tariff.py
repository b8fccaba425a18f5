"""What calls owe on one plan: the price of a capability, and the counters that a principal's calls of it go to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from meshplan.runtime.budget.port import Charge
from meshplan.schemas.budgets import counters, is_cap, money, unit_of
from meshplan.schemas.decide import Principal
from meshplan.schemas.expr import Program, load
from meshplan.schemas.plan import Plan
from meshplan.schemas.spending import Budget, Price

CALLS: Final = frozenset({"tools/call", "prompts/get", "resources/read", "resources/subscribe", "completion/complete"})
"""What counts as a call. Asking how a task goes does not: the call that began it did."""

_CACHED: Final = 8192


@dataclass(frozen=True, slots=True)
class Item:
    """One counter of one budget; ``unit_amount`` is what one try of the call is expected to add.

    ``shown`` is how what callers are told of it begins, as JSON.
    """

    name: str
    budget: Budget
    charge: Charge
    unit_amount: int
    shown: bytes


@dataclass(frozen=True, slots=True)
class Terms:
    """What one call is charged: ``charges`` are those of ``items``. ``estimate_nano`` is for one try.

    ``capped``: a crash must not forget it; ``metered``: it takes the answer to know the cost; ``plain``: calls are all
    that is counted.
    """

    price: Price | None
    usage: Program | None
    items: tuple[Item, ...]
    charges: tuple[Charge, ...]
    estimate_nano: int | None
    capped: bool
    metered: bool
    plain: bool


class Tariff:
    """Indexed once a plan; asked once a call."""

    def __init__(self, plan: Plan) -> None:
        self._budgets = [
            (name, budget, None if budget.covers is None else frozenset(budget.covers))
            for name, budget in sorted(plan.budgets.items())
        ]
        self._prices = plan.prices
        self._usage = {name: load(price.usage) for name, price in plan.prices.items() if price.usage is not None}
        self._tries = _tries(plan)
        self._found = lru_cache(_CACHED)(self._find)
        self.empty = not plan.budgets and not plan.prices

    def terms(self, method: str, capability: str | None, principal: Principal) -> Terms | None:
        """What a call owes; ``None`` where that is nothing."""
        if self.empty or capability is None or method not in CALLS:
            return None
        return self._found(method, capability, principal)

    def tries(self, capability: str) -> int:
        """How often a call of a capability may be sent, at most."""
        return self._tries.get(capability, 1)

    def _find(self, method: str, capability: str, principal: Principal) -> Terms | None:
        tool = method == "tools/call"
        price = self._prices.get(capability) if tool else None
        tries = self.tries(capability) if tool else 1
        chosen: dict[str, Item] = {}
        for name, budget, covers in self._budgets:
            amount = _amount(budget, price, tool=tool)
            if amount is None or (covers is not None and capability not in covers):
                continue
            times = 1 if budget.unit == "calls" else tries
            for counter in counters(budget, principal):
                binding = budget.on_exceed != "warn"
                charge = Charge(
                    counter.text(),
                    budget.window,
                    budget.zone,
                    budget.amount,
                    amount * times,
                    binding=binding,
                    warn=_warn_at(budget),
                )
                item = Item(name, budget, charge, amount, _shown(name, budget))
                before = chosen.get(charge.counter)
                chosen[charge.counter] = item if before is None else min(before, item, key=_strictness)
        if price is None and not chosen:
            return None
        items = tuple(chosen.values())
        rated = price is not None and (price.input is not None or price.output is not None)
        return Terms(
            price,
            self._usage.get(capability) if tool else None,
            items,
            tuple([item.charge for item in items]),
            None if price is None or price.currency is None else _money(price),
            capped=any(is_cap(item.budget) for item in items),
            metered=tool and (rated or any(item.budget.unit == "tokens" for item in items)),
            plain=price is None and all(item.budget.unit == "calls" for item in items),
        )


def _warn_at(budget: Budget) -> int:
    """The sum from which on it is nearly used up; 0 where nobody wants to know."""
    return 0 if budget.warn_at_percent is None else max(1, -(-budget.amount * budget.warn_at_percent // 100))


def _shown(name: str, budget: Budget) -> bytes:
    limit = money(budget.amount) if budget.unit == "money" else budget.amount
    told = {"budget": name, "unit": unit_of(budget), "window": budget.window, "limit": limit}
    return msgspec.json.encode(told)[:-1]


def _strictness(item: Item) -> tuple[bool, int]:
    """Budgets under one name of the past share a counter; the tightest speaks."""
    return not item.charge.binding, item.charge.limit


def _amount(budget: Budget, price: Price | None, *, tool: bool) -> int | None:
    """What one try may add; ``None`` where the budget does not count such calls."""
    match budget.unit:
        case "calls":
            return 1
        case "tokens":
            # Not zero where no maximum is declared: a budget that is used up lets nothing through.
            return max(1, (price and price.max_tokens) or 0) if tool else None
        case _:
            counted = price is not None and price.currency == unit_of(budget)
            return _money(price) if price is not None and counted else None


def _money(price: Price) -> int:
    return price.per_call_nano if price.max_nano is None else price.max_nano


def _tries(plan: Plan) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for name, capability in plan.capabilities.items():
        server = plan.servers.get(capability.server)
        if server is None or server.retry is None:
            continue
        if capability.effect == "read" or name in server.retry.idempotent:
            found[name] = server.retry.attempts
    return found
