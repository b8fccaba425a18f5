"""What a client is shown, and what an upstream is sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.schemas import jsontext
from meshplan.schemas.capability import KINDS, CapabilityKey
from meshplan.schemas.plan import Offer
from meshplan.schemas.surface import ArgumentRefusedError, advertise, upstream_arguments

TOOL = {
    "name": "create",
    "description": "as reviewed",
    "inputSchema": {"type": "object", "properties": {"a": {"maximum": 1.50}, "b": {}, "c": {}}, "required": ["a", "b"]},
    "_meta": {"unknown": None},
    "x-future": [1, {"y": 2}],
}


def offer(**changes):
    return Offer(
        **({"capability": "s/tool/create", "name": "create", "description": None, "set": {}, "hide": ()} | changes)
    )


def test_an_offer_without_changes_shows_the_definition_to_the_letter():
    text = jsontext.canonical(TOOL)
    assert advertise("tool", text, offer()) == text


def test_lexemes_and_unknown_fields_survive_a_rename():
    text = jsontext.canonical(TOOL).replace("1.5", "1.50")
    shown = advertise("tool", text, offer(name="other", description="mine"))
    assert '"maximum":1.50' in shown
    assert json.loads(shown) == {**TOOL, "name": "other", "description": "mine"}


def test_set_and_hidden_arguments_are_not_shown():
    shown = json.loads(advertise("tool", jsontext.canonical(TOOL), offer(set={"a": "1", "b": "2"}, hide=("c",))))
    assert shown["inputSchema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(("kind", "field"), [("prompt", "name"), ("resource", "uri"), ("template", "uriTemplate")])
def test_each_kind_is_renamed_where_it_is_named(kind, field):
    shown = json.loads(advertise(kind, jsontext.canonical({field: "old", "title": "t"}), offer(name="new")))
    assert shown == {field: "new", "title": "t"}


def test_arguments_are_the_callers_plus_what_is_set():
    sent = upstream_arguments(offer(set={"a": '{"deep":[1]}'}, hide=("c",)), frozenset("abc"), {"b": 10**30})
    assert sent == {"a": {"deep": [1]}, "b": 10**30}
    assert upstream_arguments(offer(), None, {"anything": 1}) == {"anything": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"a": 1}, "`a` is not taken"),
        ({"c": 1}, "`c` is not taken"),
        ({"A": 1}, "not declared"),
        ({"z": 1}, "not declared"),
        ({"b": 1, "B": 2}, "not declared"),
    ],
)
def test_arguments_that_would_get_around_a_set_are_refused(arguments, says):
    with pytest.raises(ArgumentRefusedError, match=says):
        upstream_arguments(offer(set={"a": "1"}, hide=("c",)), frozenset("abc"), arguments)


def test_declared_arguments_that_differ_only_by_case_are_refused():
    with pytest.raises(ArgumentRefusedError, match="only by case"):
        upstream_arguments(offer(set={"owner": '"x"'}), frozenset(["owner", "Owner", "b"]), {"Owner": "y"})


@given(st.sampled_from(KINDS), st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_capability_id_is_ascii_and_read_back(kind, name):
    key = CapabilityKey("server", kind, name)
    assert key.id.isascii()
    assert CapabilityKey.of(key.id) == key
