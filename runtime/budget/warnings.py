"""What is said of budgets that are nearly used up, or over their limit and only warn: once a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from meshplan.runtime.budget.port import Standing
from meshplan.runtime.budget.tariff import Item
from meshplan.runtime.record import Say
from meshplan.schemas.budgets import counter_of
from meshplan.schemas.windows import LENGTHS, SLIDING

_REMEMBERED: Final = 10_000


class Warnings:
    """Remembers until when a counter was warned of."""

    def __init__(self, say: Say, now: Callable[[], float] = time.monotonic) -> None:
        self._say, self._now = say, now
        self._until: dict[tuple[str, str], float] = {}

    def of(self, items: Sequence[Item], standings: Sequence[Standing]) -> str | None:
        """Warn of what these counters have come to; what the ledger keeps of it, as JSON."""
        over: list[str] = []
        for item, standing in zip(items, standings, strict=True):
            limit, percent = item.charge.limit, item.budget.warn_at_percent
            if standing.used > limit:
                over.append(item.name)
                self._once("budget_exceeded", item, standing)
            if percent is not None and standing.used * 100 >= limit * percent:
                self._once("budget_warning", item, standing)
        return msgspec.json.encode({"over": over}).decode() if over else None

    def _once(self, event: str, item: Item, standing: Standing) -> None:
        key, now = (event, item.charge.counter), self._now()
        if self._until.get(key, 0.0) > now:
            return
        if len(self._until) >= _REMEMBERED:
            self._until.clear()
        window = item.budget.window
        self._until[key] = now + (LENGTHS[window] if window in SLIDING else standing.resets)
        self._say(event, _told(item, standing))


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
