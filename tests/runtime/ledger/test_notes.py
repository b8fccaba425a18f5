"""What becomes of an attempt in its outcome entry."""

import json

from meshplan.runtime.call import Call
from meshplan.runtime.ledger.notes import outcome_of
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import Attempt
from meshplan.runtime.targets import Trace
from meshplan.schemas.decide import Principal

TRACE = "0af7651916cd43dd8448eb211c80319c"


def attempt(outcome, **more):
    return Attempt("2026-05-01T10:00:00.000+00:00", None, "dev", "key:ann", "tools/call", outcome, 0.001, **more)


def test_a_refusal_says_which_budget_had_no_room():
    caller = Caller("digest", Principal("key", "ann", frozenset({"user:ann"})))
    call = Call("dev", caller, "modern", "tools/call", {})
    entry = outcome_of(attempt("over_budget", reason="over_budget", budget="month"), call, Trace())
    assert (entry.outcome, json.loads(entry.detail)) == ("over_budget", {"budget": "month"})
    assert outcome_of(attempt("ok"), call, Trace()).detail is None


def test_what_never_became_a_call_is_found_by_its_trace():
    assert outcome_of(attempt("invalid", trace=TRACE), None, None).trace == TRACE
