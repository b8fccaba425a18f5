"""A deadline comes once, at the time that was set last, however often it moved before."""

import asyncio

import pytest

from meshplan.runtime.upstream.deadline import NEVER, Deadline


class Clock:
    """The event loop's timers, by hand."""

    def __init__(self, monkeypatch):
        self.now, self.timers, self.made = 100.0, [], 0
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def time(self):
        return self.now

    def call_at(self, when, callback):
        timer = _Timer(when, callback)
        self.timers.append(timer)
        self.made += 1
        return timer

    def advance(self, until):
        while due := [timer for timer in self.timers if not timer.cancelled and timer.when <= until]:
            first = min(due, key=lambda timer: timer.when)
            self.timers.remove(first)
            self.now = max(self.now, first.when)
            first.callback()
        self.now = until


class _Timer:
    def __init__(self, when, callback):
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.mark.parametrize(
    ("times", "comes"),
    [
        ([110.0], 110.0),
        ([110.0, 120.0], 120.0),
        ([120.0, 110.0], 110.0),
        ([110.0, NEVER], None),
        ([NEVER, 105.0], 105.0),
    ],
)
def test_it_comes_when_it_was_set_last(clock, times, comes):
    came = []
    deadline = Deadline(lambda: came.append(clock.now))
    for at in times:
        deadline.set(at)
    clock.advance(200.0)
    assert came == ([] if comes is None else [comes])


def test_a_thousand_requests_in_a_second_take_two_timers(clock):
    came = []
    deadline = Deadline(lambda: came.append(clock.now))
    for number in range(1000):
        clock.advance(100 + number / 1000)
        deadline.set(clock.now + 30)
    clock.advance(200.0)
    assert came == [pytest.approx(130.999)]
    assert clock.made == 2


def test_what_is_closed_comes_no_more_and_holds_no_timer(clock):
    came = []
    deadline = Deadline(lambda: came.append(clock.now))
    deadline.set(110.0)
    deadline.close()
    clock.advance(200.0)
    assert (came, [timer.cancelled for timer in clock.timers]) == ([], [True])
