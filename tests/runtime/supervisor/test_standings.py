"""Breakers of several processes that know the same: as one would, and one probe at a time whoever dies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.runtime.supervisor.standings import Standings
from meshplan.runtime.upstream.breaker import Breaker, OwnStanding
from meshplan.schemas.plan import Breaker as Policy
from meshplan.schemas.plan import HttpTransport, StdioTransport

POLICY = Policy(failures=3, cooldown_ms=1000)
WEB = HttpTransport(url="http://127.0.0.1:9/mcp", headers={}, auth=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("standings")


def breakers(standings, now, count=3):
    found = [Breaker(now, standings.of(column, "s", WEB)) for column in range(count)]
    for breaker in found:
        breaker.policy = POLICY
    return found


@settings(deadline=None, max_examples=200)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["call", "end", "wait"]), st.integers(0, 2), st.sampled_from([True, False, None]))
    )
)
def test_all_together_do_as_one_would(folder, steps):
    time = 1.0
    several = breakers(Standings(folder / "lock"), lambda: time)
    [one] = [Breaker(lambda: time)]
    one.policy = POLICY
    running = []
    for what, place, failed in steps:
        if what == "wait":
            time += 0.4
        elif what == "call":
            probe = several[place].begin()
            assert probe is one.begin()
            running += [] if probe is None else [(place, probe)]
        elif running:
            begun, probe = running.pop(place % len(running))
            several[begun].ended(failed=failed, probe=probe)
            one.ended(failed=failed, probe=probe)
        assert {(breaker.state, breaker.left()) for breaker in several} == {(one.state, one.left())}


def test_a_probe_of_a_worker_that_died_is_nobodys(folder):
    time = 1.0
    standings = Standings(folder / "lock")
    first, second, _ = breakers(standings, lambda: time)
    for _ in range(POLICY.failures):
        first.ended(failed=True, probe=bool(first.begin()))
    time = 9.0
    assert [first.begin(), second.begin()] == [True, None]
    standings.clear(1)
    assert second.begin() is None
    standings.clear(0)
    assert second.begin() is True


def test_addresses_are_told_apart_and_what_each_worker_starts_is_its_own(folder):
    standings = Standings(folder / "lock", records=2)
    other = WEB.model_copy(update={"url": "http://127.0.0.1:10/mcp"})
    standings.of(0, "s", WEB).failures = 2
    assert [standings.of(1, "s", WEB).failures, standings.of(1, "s", other).failures] == [2, 0]
    assert isinstance(standings.of(0, "t", WEB), OwnStanding)  # there is no room for a third
    assert isinstance(Standings(folder / "lock").of(0, "s", StdioTransport(argv=("x",), env={}, cwd=".")), OwnStanding)
