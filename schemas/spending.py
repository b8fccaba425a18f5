"""The plan's prices and budgets: whole numbers only, money in billionths of the currency's unit."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from meshplan.schemas.frozen import Frozen


class Rate(Frozen):
    """``nano`` billionths of the currency for every ``per`` tokens."""

    nano: int
    per: int


class Price(Frozen):
    """What one call of a capability costs; ``usage`` is an expression's IR over ``result``.

    ``max_nano`` and ``max_tokens`` bound one call and are what is reserved before it.
    """

    currency: str | None
    per_call_nano: int
    input: Rate | None
    output: Rate | None
    usage: JsonValue
    max_nano: int | None
    max_tokens: int | None


class Budget(Frozen):
    """A limit over a window for a scope.

    ``of`` is a set of subjects that a principal must all hold (``None`` with ``each``: one counter for every user, team,
    agent or application; both ``None``: one for the mesh). ``covers`` ``None`` means every capability. ``amount`` is
    calls, tokens or billionths of ``currency``. ``zone`` is an IANA time zone for calendar windows.
    """

    of: tuple[str, ...] | None
    each: Literal["user", "team", "agent", "application"] | None
    covers: tuple[str, ...] | None
    unit: Literal["calls", "tokens", "money"]
    currency: str | None
    amount: int
    window: Literal["minute", "hour", "day", "month"]
    zone: str
    on_exceed: Literal["deny", "warn", "throttle"]
    max_wait_ms: int
    warn_at_percent: int | None
    counted_as: str
