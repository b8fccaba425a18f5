"""`prices:` and `budgets:` as written: what calls cost, and how much may be spent."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

from meshplan.compiler.syntax.access import Reach, SubjectRef
from meshplan.compiler.syntax.orchestration import Expression
from meshplan.compiler.syntax.words import Duration, Maybe, Name, Text, Written, bad_value

NANO = 1_000_000_000
"""Money is counted in billionths of the currency's unit, as whole numbers."""

_AMOUNT = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_MONEY = re.compile(rf"{_AMOUNT} ([a-z]{{3}})\Z")
_RATE = re.compile(rf"{_AMOUNT} ([a-z]{{3}})/(1|1k|1K|1M)\Z")
_COUNT = re.compile(r"([0-9]{1,15})([kM]?) (calls|tokens)\Z")
_PER = {"1": 1, "1k": 1000, "1K": 1000, "1M": 1_000_000}
_PERCENT = re.compile(r"([0-9]{1,3})%\Z")


class Money(NamedTuple):
    """An amount in billionths of ``currency`` (ISO 4217, lower case)."""

    nano: int
    currency: str


class Rate(NamedTuple):
    """An amount in billionths of ``currency`` for every ``per`` tokens."""

    nano: int
    currency: str
    per: int


class Quantity(NamedTuple):
    """A limit: a number of calls or tokens, or an amount of money (``unit`` is then a currency)."""

    amount: int
    unit: str


def _nano(text: str) -> int:
    return int(Decimal(text) * NANO)


def _money(value: Any) -> Any:
    found = _MONEY.match(value) if isinstance(value, str) else None
    if not found:
        advice = "write amount and currency (three lower-case letters), such as `0.50 usd`"
        raise bad_value(_not("an amount of money", value), advice)
    return Money(_nano(found[1]), found[2])


def _rate(value: Any) -> Any:
    found = _RATE.match(value) if isinstance(value, str) else None
    if not found:
        raise bad_value(_not("a price", value), "write amount, currency and number of tokens, such as `3.00 usd/1M`")
    return Rate(_nano(found[1]), found[2], _PER[found[3]])


def _quantity(value: Any) -> Any:
    if isinstance(value, str):
        if found := _COUNT.match(value):
            return Quantity(int(found[1]) * {"": 1, "k": 1000, "M": 1_000_000}[found[2]], found[3])
        if found := _MONEY.match(value):
            return Quantity(_nano(found[1]), found[2])
    raise bad_value(_not("a limit", value), "write `60 calls`, `2M tokens` or `500 usd`")


def _percent(value: Any) -> Any:
    found = _PERCENT.match(value) if isinstance(value, str) else None
    if not found or not 1 <= int(found[1]) <= 100:
        raise bad_value(_not("a share", value), "write a percentage from `1%` to `100%`")
    return int(found[1])


def _not(what: str, value: Any) -> str:
    return f"`{value[:80]}` is not {what}" if isinstance(value, str) else f"wants {what}, not `{value}`"


def _text(pattern: re.Pattern[str], *examples: str) -> WithJsonSchema:
    written = "^" + pattern.pattern.replace("\\Z", "$").replace("(?:", "(")
    return WithJsonSchema({"type": "string", "pattern": written, "examples": list(examples)})


MoneyText = Annotated[Money, BeforeValidator(_money), _text(_MONEY, "0.50 usd")]
RateText = Annotated[Rate, BeforeValidator(_rate), _text(_RATE, "3.00 usd/1M")]
LimitText = Annotated[
    Quantity,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {"type": "string", "pattern": "^[0-9].* [a-z]{3,6}$", "examples": ["60 calls", "2M tokens", "500 usd"]}
    ),
]
PercentText = Annotated[int, BeforeValidator(_percent), _text(_PERCENT, "80%")]


class Price(Written):
    """What one call of a tool costs; `usage` finds the token counts in its result, `max_per_call` bounds one call."""

    per_call: Maybe[MoneyText] = None
    input_tokens: Maybe[RateText] = None
    output_tokens: Maybe[RateText] = None
    usage: Maybe[Expression] = None
    max_per_call: Maybe[MoneyText] = None
    max_tokens_per_call: Maybe[Annotated[int, Field(ge=1, le=1_000_000_000)]] = None


class Budget(Written):
    """A limit over a window: `of` one set of principals together, or for `each` user, team or agent on its own."""

    of: Maybe[SubjectRef] = None
    each: Maybe[Literal["user", "team", "agent", "application"]] = None
    on: Maybe[Reach] = None
    limit: LimitText
    per: Literal["minute", "hour", "day", "month"]
    zone: Maybe[Text] = None
    on_exceed: Literal["deny", "warn", "throttle"] = "deny"
    max_wait: Maybe[Duration] = None
    warn_at: Maybe[PercentText] = None


class MovedBudget(Written):
    """A budget that was renamed keeps what is spent."""

    from_: Annotated[Name, Field(alias="from")]
    to: Name


class Moved(Written):
    """One thing under a new name."""

    budget: MovedBudget
