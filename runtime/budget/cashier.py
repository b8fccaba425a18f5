"""Around each call that owes something: reserve, or refuse; then charge what it came to."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from meshplan.runtime import passed
from meshplan.runtime.budget.answers import Limits, limits_of
from meshplan.runtime.budget.bill import Bill
from meshplan.runtime.budget.meter import tokens_of
from meshplan.runtime.budget.port import Charge, Counters, CountersUnavailableError, Exceeded, Granted
from meshplan.runtime.budget.tariff import Item, Tariff, Terms
from meshplan.runtime.budget.warnings import warn
from meshplan.runtime.call import Call, Result
from meshplan.runtime.errors import NOT_READY, Outcome, RpcError, budget_exceeded
from meshplan.runtime.record import Say
from meshplan.runtime.shapes import members
from meshplan.runtime.targets import Target, Trace
from meshplan.schemas.budgets import cost, limits_rate, unit_of

Send = Callable[[], Awaitable[tuple[Result, Outcome]]]


def _unheard(_event: str, _members: Mapping[str, Any]) -> None:
    return


class Cashier:
    """Holds the counters."""

    def __init__(self, counters: Counters, say: Say = _unheard) -> None:
        self._counters, self._say = counters, say

    async def pay(
        self, tariff: Tariff, terms: Terms, call: Call, target: Target, trace: Trace, send: Send
    ) -> tuple[Result, Outcome]:
        """Send a call that owes something, if its budgets have room; raises ``RpcError`` where they do not."""
        tries = tariff.tries(trace.capability or "")
        bill = self._bill(terms, tries)
        paying = _Paying(terms, bill, trace, members(target.params.get("arguments")) or {})
        if terms.items:
            bill.granted = await self._reserve(terms, bill.charges, call, trace)
            bill.detail = warn(self._say, terms.items, bill.granted)
        trace.bill = bill
        if terms.metered:
            bill.count = paying.count
        try:
            result, outcome = await send()
        finally:
            paying.close()
            if bill.granted is not None and bill.actual is not None:
                self._note_overshoot(terms, bill, bill.actual)
                with anyio.CancelScope(shield=True):
                    await self._counters.settle(trace.decision, bill.charges, bill.granted, bill.actual)
        if bill.granted is None:
            return result, outcome
        limits = limits_of(terms.items, bill)
        if call.on_limits is not None:
            call.on_limits(limits.headers)
        return limits.told(result), outcome

    def _bill(self, terms: Terms, tries: int) -> Bill:
        nano = None if terms.estimate_nano is None else terms.estimate_nano * tries
        currency = None if terms.price is None else terms.price.currency
        return Bill(terms.charges, currency, nano, terms.capped)

    async def _reserve(self, terms: Terms, charges: Sequence[Charge], call: Call, trace: Trace) -> Granted:
        began = time.monotonic()
        while True:
            found = await self._asked(trace.decision, charges)
            if isinstance(found, Granted):
                return found
            pause = _pause(terms.items, found, time.monotonic() - began)
            if pause is None:
                if call.on_limits is not None:
                    call.on_limits(Limits(terms.items, found.standings).headers)
                raise _refused(terms.items, found)
            await anyio.sleep(pause)

    async def _asked(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        try:
            return await self._counters.reserve(decision, charges)
        except CountersUnavailableError as error:
            raise _unavailable(str(error)) from None

    def _note_overshoot(self, terms: Terms, bill: Bill, actual: Sequence[int]) -> None:
        over = {
            item.name: found - item.charge.amount
            for item, found in zip(terms.items, actual, strict=True)
            if item.charge.binding and found > item.charge.amount
        }
        if over:
            self._say("budget_overshoot", {"budgets": over})
            bill.note(overshoot=over)


@dataclass(slots=True)
class _Paying:
    """What one call comes to, as it goes on."""

    terms: Terms
    bill: Bill
    trace: Trace
    arguments: dict[str, Any]

    def count(self, result: Result) -> None:
        """The server has answered; what becomes a task goes on, and keeps its reservation."""
        if not passed.makes_task(result):
            self.bill.tokens = tokens_of(self.terms.usage, self.arguments, result)

    def close(self) -> None:
        """Say what it came to: nothing where nothing was sent, and the estimate where nobody knows."""
        trace, bill = self.trace, self.bill
        sent = 0 if trace.sent is None or (trace.sends == 1 and not trace.reached) else trace.sends
        if sent and self.terms.plain:
            return
        bill.cost_nano = self._cost(sent)
        actual = [self._amount(item, sent) for item in self.terms.items]
        if bill.granted is not None and actual != [charge.amount for charge in bill.charges]:
            bill.actual = actual

    def _cost(self, sent: int) -> int | None:
        price, estimate, tokens = self.terms.price, self.terms.estimate_nano, self.bill.tokens
        if price is None or estimate is None or not sent:
            return None
        return (sent - 1) * estimate + (estimate if tokens is None else cost(price, tokens))

    def _amount(self, item: Item, sent: int) -> int:
        """What of it a counter gets: the tries before the last one are estimated."""
        if not sent:
            return 0
        tokens = self.bill.tokens
        match item.budget.unit:
            case "calls":
                return item.charge.amount
            case "tokens":
                last = item.unit_amount if tokens is None else tokens.input + tokens.output
                return (sent - 1) * item.unit_amount + last
            case _:
                return self.bill.cost_nano or 0


def _pause(items: Sequence[Item], found: Exceeded, waited: float) -> int | None:
    """Seconds until it is worth another try; ``None`` where a budget refuses, or it would take too long."""
    waits = list(found.retry_after)
    budgets = [items[place].budget for place in found.over]
    if any(wait is None for wait in waits) or any(budget.on_exceed != "throttle" for budget in budgets):
        return None
    pause = max(wait for wait in waits if wait is not None)
    return pause if waited + pause <= min(budget.max_wait_ms for budget in budgets) / 1000 else None


def _refused(items: Sequence[Item], found: Exceeded) -> RpcError:
    """The budget that takes longest to have room again decides what is said."""
    places = range(len(found.over))
    chosen = max(places, key=lambda place: (found.retry_after[place] is None, found.retry_after[place] or 0))
    item = items[found.over[chosen]]
    budget = item.budget
    return budget_exceeded(
        item.name, unit_of(budget), budget.window, found.retry_after[chosen], rate=limits_rate(budget)
    )


def _unavailable(why: str) -> RpcError:
    return RpcError(NOT_READY, f"budgets cannot be checked: {why}", {"reason": "counters_unavailable"})
