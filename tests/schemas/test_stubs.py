"""Stubs of tools: Python that parses, under names that Python takes, the same for the same schemas."""

import ast
import keyword

from hypothesis import given
from hypothesis import strategies as st

from meshplan.schemas.stubs import INLINE_CHARACTERS, function_names, inlined, stub

TICKET = {
    "description": "Open a ticket. Whoever reports it is told.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "priority": {"enum": ["low", "high"]},
            "labels": {"type": "array", "items": {"type": "string"}},
            "who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "due": {"type": ["string", "null"]},
            "x-trace": {"type": "string"},
        },
        "required": ["title"],
    },
    "outputSchema": {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "parent": {"$ref": "#/$defs/Link"}, "a-b": {"type": "number"}},
        "required": ["id"],
        "$defs": {"Link": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    },
}


def test_a_stub_says_what_goes_in_and_what_comes_out(snapshot):
    assert stub("open_ticket", TICKET) == snapshot


def test_what_declares_no_output_gives_text():
    assert (
        stub("now", {"inputSchema": {"type": "object", "additionalProperties": False}}) == "async def now() -> str: ..."
    )
    assert stub("any", {"inputSchema": {"type": "object"}}) == "async def any(**others: Any) -> str: ..."


def test_names_that_fall_together_are_told_apart_in_a_fixed_order():
    names = function_names(["get-note", "get_note", "get.note", "list", "class", "1st", "Über"])
    assert names["get_note"] == "get_note"
    assert (names["get-note"], names["get.note"]) == ("get_note_2", "get_note_3")
    assert (names["list"], names["class"], names["1st"], names["Über"]) == ("list_", "class_", "t_1st", "_ber")


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=6), unique=True))
def test_every_tool_has_a_name_of_its_own_that_python_takes(tools):
    names = function_names(tools)
    assert set(names) == set(tools)
    assert len(set(names.values())) == len(names)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names.values())
    assert function_names(reversed(tools)) == names


_LEAVES = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"enum": ["a", "b"]}, {"const": 1}, {}, True])
_NAMES = st.sampled_from(["a", "b_c", "x-y", "class", "d e", ""])


def _schemas(children):
    objects = st.builds(
        lambda properties, required: {"type": "object", "properties": properties, "required": sorted(required)},
        st.dictionaries(_NAMES, children, max_size=4),
        st.sets(_NAMES),
    )
    arrays = st.builds(lambda items: {"type": "array", "items": items}, children)
    unions = st.builds(lambda several: {"anyOf": several}, st.lists(children, max_size=3))
    maps = st.builds(lambda more: {"type": "object", "additionalProperties": more}, children)
    return objects | arrays | unions | maps | st.just({"$ref": "#"}) | st.just({"$ref": "#/nowhere"})


@given(st.recursive(_LEAVES, _schemas, max_leaves=20), st.recursive(_LEAVES, _schemas, max_leaves=20), st.text())
def test_every_stub_is_python_and_the_same_each_time(inputs, output, said):
    definition = {"description": said, "inputSchema": inputs, "outputSchema": output}
    text = stub("f", definition)
    ast.parse(text)
    assert stub("f", definition) == text


def test_a_description_holds_all_stubs_or_none():
    assert inlined(["async def a() -> str: ..."]) == "async def a() -> str: ..."
    assert inlined(["x" * (INLINE_CHARACTERS + 1)]) is None
