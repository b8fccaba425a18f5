"""Costs side by side: a row for every list that there was or is."""

from meshes import BASE, compile_text

from meshplan.compiler.diff.tokens import token_costs
from meshplan.compiler.tokens import role_tokens, surface_tokens

BEFORE = BASE.replace("  desk:\n", "  desk:\n    max_tokens: 900\n")
AFTER = BASE.replace(
    "tools: {effect: read}}\nidentity",
    "tools: all}\n  other:\n    include: [{server: notes, tools: [search]}]\nidentity",
)


def bundle(text):
    compiled = compile_text(text)
    assert compiled.bundle is not None, compiled.diagnostics
    return compiled.bundle


def rows(before, after):
    return {(row.endpoint, row.role): (row.before, row.after, row.limit) for row in token_costs(before, after)}


def test_both_sides_whole_and_by_role():
    old, new = bundle(BEFORE), bundle(AFTER)
    found = rows(old, new)
    assert list(found) == [("desk", None), ("desk", "reader"), ("other", None), ("other", "reader")]
    assert found["desk", None] == (surface_tokens(old, "desk"), surface_tokens(new, "desk"), None)
    assert found["desk", "reader"] == (role_tokens(old, "desk")["reader"], role_tokens(new, "desk")["reader"], None)
    assert found["other", None] == (None, surface_tokens(new, "other"), None)
    assert found["desk", None][1] > found["desk", None][0]


def test_the_limit_is_the_later_one_and_the_earlier_where_the_endpoint_is_gone():
    assert rows(bundle(AFTER), bundle(BEFORE))["desk", None][2] == 900
    assert rows(bundle(BEFORE), None)["desk", None] == (surface_tokens(bundle(BEFORE), "desk"), None, 900)
    assert rows(bundle(BEFORE), bundle(AFTER))["desk", None][2] is None


def test_nothing_has_no_rows_and_the_same_plan_no_difference():
    assert token_costs(None, None) == ()
    assert all(row.before == row.after for row in token_costs(bundle(BEFORE), bundle(BEFORE)))
