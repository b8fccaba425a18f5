"""Prices and budgets in whole numbers."""

from __future__ import annotations

from meshplan.compiler.resolved import ResolvedBudget, ResolvedPrice
from meshplan.compiler.syntax.money import Rate
from meshplan.schemas import spending

DEFAULT_WAIT_MS = 5_000


def lower_price(resolved: ResolvedPrice) -> spending.Price:
    """What one call costs."""
    price = resolved.price
    return spending.Price(
        currency=resolved.currency,
        per_call_nano=price.per_call.nano if price.per_call else 0,
        input=_rate(price.input_tokens),
        output=_rate(price.output_tokens),
        usage=resolved.usage,
        max_nano=price.max_per_call.nano if price.max_per_call else None,
        max_tokens=price.max_tokens_per_call,
    )


def _rate(rate: Rate | None) -> spending.Rate | None:
    return None if rate is None else spending.Rate(nano=rate.nano, per=rate.per)


def lower_budget(resolved: ResolvedBudget) -> spending.Budget:
    """How much may be spent."""
    budget = resolved.budget
    unit = budget.limit.unit
    return spending.Budget(
        of=resolved.of,
        each=budget.each,
        covers=None if resolved.covers is None else tuple(sorted(key.id for key in resolved.covers)),
        unit="calls" if unit == "calls" else "tokens" if unit == "tokens" else "money",
        currency=None if unit in ("calls", "tokens") else unit,
        amount=budget.limit.amount,
        window=budget.per,
        zone=budget.zone or "UTC",
        on_exceed=budget.on_exceed,
        max_wait_ms=(budget.max_wait or DEFAULT_WAIT_MS) if budget.on_exceed == "throttle" else 0,
        warn_at_percent=budget.warn_at,
        counted_as=resolved.counted_as,
    )
