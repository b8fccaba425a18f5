"""What is kept of sets of edits that different principals need."""

from itertools import permutations

from meshplan.compiler.diff.causes import smallest_sets
from meshplan.compiler.diff.model import Cause


def test_a_set_that_contains_another_is_no_cause():
    a, b, c = (Cause("policy edit", name, None) for name in "abc")
    sets = [frozenset({a, b}), frozenset({a}), frozenset({b, c}), frozenset({a, b, c})]
    for order in permutations(sets):
        assert smallest_sets(order) == (frozenset({a}), frozenset({b, c}))
