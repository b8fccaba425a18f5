"""When an attempt was: ISO 8601 in UTC to the millisecond, whatever the second and the zone of the clock."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.active import Active
from meshplan.runtime.journal import Journal
from meshplan.runtime.telemetry.asked import Asked

FIRST = datetime(1970, 1, 2, tzinfo=UTC)
TIMES = st.builds(
    lambda days, micro: FIRST + timedelta(days=days, microseconds=micro),
    st.integers(0, 80_000),
    st.integers(0, 86_399_999_999),
)


@given(st.lists(TIMES, min_size=1, max_size=5), st.integers(0, 1_999_999), st.integers(-12, 12))
def test_the_time_is_the_clock_s(times, later, hours):
    zone = timezone(timedelta(hours=hours))
    shown = [found for time in times for found in (time, time + timedelta(microseconds=later))]
    clock, kept = iter(shown), []
    journal = Journal(Active(lambda: next(clock).astimezone(zone)), kept.append)
    for _ in shown:
        journal.turned_away(Asked("dev", ""), "why", "denied", None, None)
    assert [attempt.at for attempt in kept] == [time.isoformat(timespec="milliseconds") for time in shown]
