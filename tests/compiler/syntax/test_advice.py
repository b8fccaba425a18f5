"""Every small word of the language can be explained in words."""

import pytest

from meshplan.compiler.suggest import certain, closest
from meshplan.compiler.syntax.advice import SHAPES, as_name
from meshplan.compiler.syntax.mesh import Mesh


def patterns(node):
    if isinstance(node, dict):
        if node.get("type") == "str" and "pattern" in node:
            yield node["pattern"]
        for value in node.values():
            yield from patterns(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from patterns(value)


def test_every_pattern_has_words_and_no_words_are_left_over():
    checked_by_functions = {"^[A-Za-z_][A-Za-z0-9_]{0,254}$", "^[0-9a-f]{64}$"}
    Mesh.model_rebuild(force=True)  # models are built when they are first needed
    found = set(patterns(Mesh.__pydantic_core_schema__))
    assert found - checked_by_functions <= set(SHAPES)
    assert set(SHAPES) <= found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GitHub", "github"),
        ("my.tickets", "my-tickets"),
        ("Acme Corp", "acme-corp"),
        ("365", None),
        ("9-lives", "lives"),
    ],
)
def test_a_valid_name_is_proposed(text, name):
    assert as_name(text) == name


def test_a_suggestion_is_only_certain_where_nothing_else_is_near():
    assert closest("timout", ["timeout", "tools"]) == "timeout"
    assert certain("timout", "timeout", ["timeout", "tools"])
    assert not certain("remove_note", "create_note", ["create_note", "delete_note"])
    assert not certain("team-1", "team-2", ["team-2"])
    assert not certain("get_note", "get_notes", ["get_notes", "get_noted"])
    assert closest("env", ["environments", "servers"]) == "environments"
    assert closest("x", ["y"]) is None
