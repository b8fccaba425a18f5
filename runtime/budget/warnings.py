"""What is said of budgets that are nearly used up, or over their limit and only warn: once a window of the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from meshplan.runtime.budget.port import Granted, Standing
from meshplan.runtime.budget.tariff import Item
from meshplan.runtime.record import Say
from meshplan.schemas.budgets import counter_of


def warn(say: Say, items: Sequence[Item], granted: Granted) -> str | None:
    """Tell the news of what was granted; what the ledger keeps of counters that are over their limit, as JSON."""
    for event, places in (("budget_exceeded", granted.passed), ("budget_warning", granted.warned)):
        for place in places:
            say(event, _told(items[place], granted.standings[place]))
    over = [
        item.name for item, standing in zip(items, granted.standings, strict=True) if standing.used > item.charge.limit
    ]
    return msgspec.json.encode({"over": over}).decode() if over else None


def _told(item: Item, standing: Standing) -> dict[str, Any]:
    counter = counter_of(item.charge.counter)
    return {
        "budget": item.name,
        "scope": counter.scope if counter else None,
        "unit": counter.unit if counter else None,
        "used": standing.used,
        "limit": item.charge.limit,
        "resets": standing.resets,
    }
