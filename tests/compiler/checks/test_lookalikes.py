"""Which names are taken for each other."""

import pytest

from meshplan.compiler.checks.lookalikes import skeletons


def alike(one, other):
    return bool(set(skeletons(one)) & set(skeletons(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("search", "Search"),
        ("ID", "id"),
        ("pay", "\u0440\u0430\u0443"),
        ("list_l", "list_I"),
        ("list_l", "list_1"),
        ("login", "l0gin"),
        ("get_a", "get-a"),
        ("get", "\uff47et"),
        ("get", "g\u200bet"),
        ("get", "ge\u0301t"),
        ("get", "\u202eget"),
        ("STRASSE", "stra\u00dfe"),
    ],
)
def test_alike(one, other):
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(("one", "other"), [("get", "set"), ("file", "flle"), ("a", ""), ("get_a", "geta"), ("b", "d")])
def test_not_alike(one, other):
    assert not alike(one, other)
