"""What budgets and prices mean: whom a budget counts, on which counter, and what a call costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from meshplan.schemas.decide import ANYONE, Principal

if TYPE_CHECKING:
    from meshplan.schemas.spending import Budget, Price, Rate
    from meshplan.schemas.windows import Window

_NANO = 1_000_000_000
EVERYBODY = "*"
"""The scope of a budget that has one counter."""


class Counter(NamedTuple):
    """What is added up together: a budget's spending of one unit, over one kind of window, in one scope.

    ``budget`` is the name that it is counted as, ``unit`` is calls, tokens or a currency. Another limit goes on with what
    is spent; another unit, window or zone begins anew.
    """

    budget: str
    unit: str
    window: Window
    zone: str
    scope: str

    def text(self) -> str:
        """One line; no part but the last, the scope, has a blank."""
        return " ".join(self)


def counter_of(text: str) -> Counter | None:
    """The counter that a text names, if it does."""
    parts = text.split(" ", 4)
    if len(parts) != len(Counter._fields) or parts[2] not in ("minute", "hour", "day", "month"):
        return None
    return Counter(parts[0], parts[1], parts[2], parts[3], parts[4])


def unit_of(budget: Budget) -> str:
    """``calls``, ``tokens`` or a currency."""
    return budget.currency or budget.unit


def counters(budget: Budget, principal: Principal) -> tuple[Counter, ...]:
    """The counters of a budget that a principal's calls go to: none where the budget is not about it."""
    named = budget.counted_as, unit_of(budget), budget.window, budget.zone
    return tuple(Counter(*named, scope) for scope in _scopes(budget, principal))


def _scopes(budget: Budget, principal: Principal) -> Iterable[str]:
    subjects = principal.subjects
    if budget.each is None:
        return (EVERYBODY,) if {*(budget.of or ())} - {ANYONE} <= subjects else ()
    found = sorted(subject for subject in subjects if subject.startswith(f"{budget.each}:"))
    if found or budget.each != "user" or any(s.startswith(("agent:", "application:")) for s in subjects):
        return found
    # Nobody gets around a budget for each user by a credential that names none: it counts as a user of its own.
    return (f"caller:{principal.issuer}:{principal.sub}",)


def limits_rate(budget: Budget) -> bool:
    """Whether it bounds how fast calls come, and not how much is spent: calls over a minute or an hour."""
    return budget.unit == "calls" and budget.window in ("minute", "hour")


def is_cap(budget: Budget) -> bool:
    """Whether it must hold also over a crash: a refusing budget that is more than a rate limit."""
    return budget.on_exceed != "warn" and not limits_rate(budget)


def money(nano: int) -> str:
    """Billionths as a decimal number, exactly."""
    whole, rest = divmod(abs(nano), _NANO)
    sign = "-" if nano < 0 else ""
    return f"{sign}{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


class Tokens(NamedTuple):
    """Of one call."""

    input: int
    output: int


def cost(price: Price, tokens: Tokens) -> int:
    """What a call costs in billionths of the price's currency, each part rounded up."""
    return price.per_call_nano + _rated(price.input, tokens.input) + _rated(price.output, tokens.output)


def _rated(rate: Rate | None, tokens: int) -> int:
    return 0 if rate is None else -(-tokens * rate.nano // rate.per)
