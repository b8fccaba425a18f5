"""Counters against a plain oracle: every grant kept with its time, and added up anew at every question."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.runtime.budget.embedded import SWEEP, Embedded
from meshplan.runtime.budget.port import Charge, Exceeded, Granted
from meshplan.schemas.budgets import Counter

# The night before clocks go back in Berlin, and the last but one of a month in Sydney before they go forward.
STARTS = [datetime(2026, 10, 24, 21, 0, tzinfo=UTC), datetime(2026, 9, 30, 12, 0, tzinfo=UTC)]
KINDS = [("minute", "UTC"), ("hour", "UTC"), ("day", "Europe/Berlin"), ("month", "Australia/Sydney"), ("day", "UTC")]
SLIDE = {"minute": (1, 60), "hour": (60, 3600)}


def run(work, *arguments):
    async def main():
        return await work(*arguments)

    return anyio.run(main)


class Oracle:
    """All that was ever granted: (counter, window, zone, when, amount)."""

    def __init__(self):
        self.spent = []

    def sum(self, charge, now):
        return sum(
            amount
            for counter, when, amount in self.spent
            if counter == charge.counter and self.counts(charge, when, now)
        )

    @staticmethod
    def counts(charge, when, now):
        if charge.window in SLIDE:
            width, length = SLIDE[charge.window]
            return now // width - when // width <= length // width
        there = [datetime.fromtimestamp(moment, ZoneInfo(charge.zone)) for moment in (when, now)]
        return there[0].strftime(FORMS[charge.window]) == there[1].strftime(FORMS[charge.window])


FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m"}

charges = st.lists(
    st.builds(
        lambda kind, name, limit, amount, binding: Charge(
            Counter(name, "calls", *kind, "*").text(), *kind, limit, amount, binding=binding
        ),
        st.sampled_from(KINDS),
        st.sampled_from("ab"),
        st.integers(0, 12),
        st.integers(0, 6),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda charge: charge.counter,
)
passing = st.one_of(st.integers(0, 3), st.integers(0, 90), st.integers(0, 5000), st.integers(0, 100_000))
steps = st.lists(
    st.tuples(passing, charges, st.one_of(st.none(), st.lists(st.integers(0, 9), min_size=4, max_size=4))), max_size=40
)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(STARTS), st.floats(0, 1), st.integers(1, 9), steps)
def test_every_answer_is_the_oracles(start, fraction, sweep, steps):
    now = start.timestamp() + fraction
    counters, oracle = Embedded(lambda: now, sweep), Oracle()
    for number, (seconds, wanted, actual) in enumerate(steps):
        now += seconds
        second = int(now)
        sums = [oracle.sum(charge, second) for charge in wanted]
        over = tuple(
            place
            for place, charge in enumerate(wanted)
            if charge.binding and sums[place] + charge.amount > charge.limit
        )
        found = counters.reserve_now(str(number), wanted)
        if over:
            assert isinstance(found, Exceeded)
            assert found.over == over
            assert [standing.used for standing in found.standings] == sums
            for place, wait in zip(over, found.retry_after, strict=True):
                _check_wait(oracle, wanted[place], now, wait)
            continue
        assert isinstance(found, Granted)
        sums = [total + charge.amount for total, charge in zip(sums, wanted, strict=True)]
        assert [standing.used for standing in found.standings] == sums
        amounts = [charge.amount for charge in wanted] if actual is None else actual[: len(wanted)]
        if actual is not None:
            counters.settle_now(str(number), wanted, found, amounts)
            counters.settle_now(str(number), wanted, found, [0] * len(wanted))
        oracle.spent += [(charge.counter, second, amount) for charge, amount in zip(wanted, amounts, strict=True)]
        standings = run(counters.read, wanted)
        assert [standing.used for standing in standings] == [oracle.sum(charge, second) for charge in wanted]


def _check_wait(oracle, charge, now, wait):
    """It would fit then, and not a bucket earlier."""
    if charge.amount > charge.limit:
        assert wait is None
        return
    assert oracle.sum(charge, int(now + wait)) + charge.amount <= charge.limit
    step = SLIDE.get(charge.window, (1, 0))[0]
    if wait > step:
        assert oracle.sum(charge, int(now + wait) - step) + charge.amount > charge.limit


def charge(counter="a minute", limit=10, amount=1, *, binding=True):
    return Charge(counter, "minute", "UTC", limit, amount, binding=binding)


def test_all_or_none():
    counters = Embedded(lambda: 1000.0)
    wide, narrow = charge("wide"), charge("narrow", limit=1)
    assert isinstance(counters.reserve_now("1", [wide, narrow]), Granted)
    assert isinstance(counters.reserve_now("2", [wide, narrow]), Exceeded)
    assert [standing.used for standing in run(counters.read, [wide, narrow])] == [1, 1]


def test_what_only_warns_never_refuses():
    counters = Embedded(lambda: 1000.0)
    for used in range(1, 4):
        found = counters.reserve_now(str(used), [charge(limit=1, binding=False)])
        assert isinstance(found, Granted)
        assert found.standings[0].used == used


def test_time_does_not_go_back():
    now = 1000.0
    counters = Embedded(lambda: now)
    counters.reserve_now("1", [charge(amount=10)])
    now = 900.0
    assert isinstance(counters.reserve_now("2", [charge()]), Exceeded)


def test_what_was_spent_before_the_start_counts():
    counters = Embedded(lambda: 1000.0)
    month = Counter("b", "calls", "month", "UTC", "*")
    counters.seed({"a minute": {990: 9, 900: 50}, month.text(): {0: 3}})
    assert isinstance(counters.reserve_now("1", [charge()]), Granted)
    assert isinstance(counters.reserve_now("2", [charge()]), Exceeded)
    assert counters.counting() == {month: 3}


def test_what_counts_no_more_is_not_shown():
    now = 1000.0
    counters, name = Embedded(lambda: now), Counter("a", "calls", "minute", "UTC", "*")
    counters.reserve_now("1", [charge(name.text())])
    now += 60
    assert counters.counting() == {name: 1}
    now += 1
    assert counters.counting() == {}


def test_counters_that_count_nothing_are_let_go():
    now = 1_000_000.0
    counters = Embedded(lambda: now)
    for number in range(SWEEP):
        counters.reserve_now(str(number), [charge(f"burst calls minute UTC user:{number}")])
    assert counters.size == SWEEP
    now += 600
    last = Counter("burst", "calls", "minute", "UTC", "user:last")
    counters.reserve_now("last", [charge(last.text())])
    assert counters.size == 1
    assert counters.counting() == {last: 1}
