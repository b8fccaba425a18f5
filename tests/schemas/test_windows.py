"""Windows: buckets that leave no gap, in any zone, also on the days when clocks are moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.schemas.windows import Bucket, Window, bucket, ends, oldest

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/St_Johns",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Toronto",
]
CALENDAR: list[Window] = ["day", "month"]
MOMENTS = st.integers(-1_600_000_000, 2_000_000_000)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("window", "zone", "now", "start", "end"),
    [
        ("day", "UTC", "2026-03-29T12:00Z", "2026-03-29T00:00Z", "2026-03-30T00:00Z"),
        ("day", "Europe/Berlin", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "Europe/Berlin", "2026-10-25T23:59+01:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("month", "Europe/Berlin", "2026-03-31T22:30+00:00", "2026-04-01T00:00+02:00", "2026-05-01T00:00+02:00"),
        ("month", "America/New_York", "2026-12-31T23:59-05:00", "2026-12-01T00:00-05:00", "2027-01-01T00:00-05:00"),
        # Clocks skip midnight: the day begins at one.
        ("day", "America/Sao_Paulo", "2018-11-04T05:00-02:00", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"),
        # Clocks go back from midnight to eleven: the evening belongs to its day, which is longer.
        ("day", "America/Sao_Paulo", "2018-02-17T23:30-03:00", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00"),
        # Clocks go back from a minute past midnight: a day that has begun stays.
        ("day", "America/St_Johns", "2010-11-06T23:30-03:30", "2010-11-07T00:00-02:30", "2010-11-08T00:00-03:30"),
        # A whole day is skipped.
        ("day", "Pacific/Apia", "2011-12-31T08:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00"),
        ("day", "Pacific/Apia", "2011-12-29T23:00-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"),
    ],
)
def test_calendar_windows_begin_at_midnight_there(window: Window, zone: str, now: str, start: str, end: str) -> None:
    assert bucket(window, zone, at(now)) == Bucket(at(start), at(end))


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_calendar_buckets_leave_no_gap(now: int, zone: str, window: Window) -> None:
    found = bucket(window, zone, now)
    assert found.start <= now < found.end
    assert bucket(window, zone, found.start) == found
    assert bucket(window, zone, found.end - 1) == found
    assert bucket(window, zone, found.end).start == found.end
    assert (oldest(window, found), ends(window, found)) == found


@given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_a_calendar_bucket_is_its_date(now: int, zone: str, window: Window) -> None:
    found = bucket(window, zone, now)
    width = len("2026-11" if window == "month" else "2026-11-22")

    def shown(moment: int) -> str:
        return datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(zone)).date().isoformat()[:width]

    # A transition moves clocks by a day at most, and mostly by an hour: far from it, dates agree exactly.
    margin = int(timedelta(hours=2).total_seconds())
    if found.start + margin <= now < found.end - margin and zone != "Pacific/Apia":
        assert shown(now) == shown(found.start + margin)


@given(st.integers(0, 2_000_000_000), st.integers(0, 8000), st.sampled_from(["minute", "hour"]))
def test_what_counts_in_a_sliding_window(then: int, later: int, window: Window) -> None:
    length, width = (60, 1) if window == "minute" else (3600, 60)
    spent, newest = bucket(window, "UTC", then), bucket(window, "UTC", then + later)
    counts = oldest(window, newest) <= spent.start
    assert counts == (then + later < ends(window, spent))
    if later <= length:
        assert counts
    if later > length + width:
        assert not counts
