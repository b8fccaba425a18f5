"""Terms against brute force: every principal over a few subjects, decided by the very `decide` that the runtime has."""

import sys
from datetime import date, timedelta
from itertools import chain, combinations
from pathlib import Path

from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parents[2] / "schemas"))

from test_decide import CAPABILITIES, ENDPOINTS, SUBJECTS, TODAY, worlds

from meshplan.compiler.diff.terms import ANY_AGENT, ANY_USER, NOTHING, access_terms, except_when, gained
from meshplan.schemas.decide import Decider, Principal

PRINCIPALS = [
    Principal("i", "s", frozenset(held))
    for held in chain.from_iterable(combinations(SUBJECTS, size) for size in range(len(SUBJECTS) + 1))
]


def normal_of(terms, principal):
    return terms.delegated if principal.delegated else terms.alone


def atoms_of(principal):
    """What a principal has today, the way terms spell it."""
    dates = {f"before:{TODAY + timedelta(days=days)}" for days in (1, 2)}
    acting = {ANY_USER, ANY_AGENT} if principal.delegated else set()
    return frozenset({*principal.subjects, *dates, *acting})


def decided(plan):
    decider = Decider(plan)
    return {
        (endpoint, capability, principal): decider.decide(
            endpoint, principal, decider.standing(principal, TODAY), capability
        ).allowed
        for endpoint in ENDPOINTS
        for capability in CAPABILITIES
        for principal in PRINCIPALS
    }


@settings(max_examples=250, deadline=None)
@given(worlds(), worlds())
def test_terms_and_their_difference_equal_brute_force(one, other):
    plans = (one[0], other[0])
    brute = [decided(plan) for plan in plans]
    terms = [access_terms(plan) for plan in plans]
    for endpoint in ENDPOINTS:
        for capability in CAPABILITIES:
            before, after = (t.get((endpoint, capability), NOTHING) for t in terms)
            cells = [[b[endpoint, capability, principal] for principal in PRINCIPALS] for b in brute]
            for found, cell in zip((before, after), cells, strict=True):
                assert [normal_of(found, p).allowed(atoms_of(p)) for p in PRINCIPALS] == cell
            for principal, was, now in zip(PRINCIPALS, *cells, strict=True):
                witnesses = gained(normal_of(before, principal), normal_of(after, principal))
                if now and not was:
                    assert any(w <= atoms_of(principal) for w in witnesses)
            if before.same(after):
                assert cells[0] == cells[1]


@settings(max_examples=150, deadline=None)
@given(worlds(), worlds())
def test_every_witness_really_gained_and_is_the_smallest(one, other):
    before, after = access_terms(one[0]), access_terms(other[0])
    for cell in {*before, *after}:
        old, new = before.get(cell, NOTHING).alone, after.get(cell, NOTHING).alone
        for witness in gained(old, new):
            assert new.allowed(witness)
            assert not old.allowed(witness)
            for atom in witness:
                smaller = witness - {atom}
                assert old.allowed(smaller) or not new.allowed(smaller) or smaller in gained(old, new) or not smaller
            for also in except_when(new, witness):
                assert not new.allowed(witness | also)


def test_dates_are_inputs():
    assert date(2026, 11, 22) == TODAY
