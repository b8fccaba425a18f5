"""Event streams, cut as the network pleases, give the events that a reader of the whole text finds."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshplan.runtime.upstream.events import EventReader, EventTooLargeError

PIECES = st.lists(
    st.sampled_from(
        ["data:", "data: ", "data:  ", "data", "event: x", "id: 1", ":", "{}", "é\u2028", "\n", "\r", "\r\n"]
    )
)


def plainly(text):
    """WHATWG HTML 9.2.6, on the whole text, for events with data."""
    events, data = [], []
    for line in re.split(r"\r\n|\n|\r", text)[:-1]:
        if not line:
            events += ["\n".join(data)] if any(data) or len(data) > 1 else []
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
    return events


@given(PIECES, st.lists(st.integers(0, 60)))
@example(["data:", "a", "\r", "\n", "\r", "\n"], [7, 8])
@example(["data:", "a", "\r", "\r", "\n"], [7])
def test_any_cut_gives_the_same_events(pieces, cuts):
    text = "".join(pieces)
    raw, reader, found, begin = text.encode(), EventReader(1000), [], 0
    for cut in [*sorted(cut for cut in cuts if cut <= len(raw)), len(raw)]:
        found += reader.feed(raw[begin:cut])
        begin = cut
    assert [event.decode() for event in found] == plainly(text)


@pytest.mark.parametrize("chunks", [[b"data:" + b"x" * 200], [b"data: " + b"x" * 60 + b"\n"] * 2, [b":" + b"x" * 150]])
def test_an_event_beyond_the_bound_is_refused_while_it_arrives(chunks):
    reader = EventReader(100)
    assert [reader.feed(chunk) for chunk in chunks[:-1]] == [[] for _ in chunks[:-1]]
    with pytest.raises(EventTooLargeError):
        reader.feed(chunks[-1])


def test_many_events_within_the_bound_may_come_at_once():
    assert EventReader(100).feed((b"data: " + b"x" * 60 + b"\n\n") * 50) == [b"x" * 60] * 50
