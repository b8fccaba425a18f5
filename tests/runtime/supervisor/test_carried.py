"""What crosses between processes comes out as it went in."""

import json

import pytest

from meshplan.runtime.supervisor.carried import failure_in, failure_out
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamTimeout


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamRefusal(-32000, "no", {"why": [1]}),
        UpstreamTimeout("late"),
        Unavailable("it kept failing", retry_after=12.5),
        Unavailable("the connection broke", sent=True),
    ],
)
def test_a_failure_says_the_same_on_the_other_side(failure):
    found = failure_in(json.loads(json.dumps(failure_out(failure))))
    assert (type(found), str(found)) == (type(failure), str(failure))
    names = ("code", "message", "data", "reason", "sent", "retry_after")
    assert [getattr(found, name, None) for name in names] == [getattr(failure, name, None) for name in names]
