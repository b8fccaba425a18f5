"""Compatibility of two schemas: a table of verdicts, hostile input, and jsonschema as the oracle."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import NoSuchResource

from meshplan.compiler.diff.compat import Allowance, compatible
from meshplan.schemas import jsontext


def refused(uri):
    raise NoSuchResource(ref=uri)


CLOSED = Registry(retrieve=refused)
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def obj(properties=None, **more):
    return {"type": "object", "properties": properties or {}, **more}


def one(schema, **more):
    return obj({"x": schema}, **more)


INPUT = [
    ("same", one(TEXT), one(TEXT), "compatible"),
    ("text for people", one(TEXT), one({**TEXT, "description": "!", "format": "date"}, title="t"), "compatible"),
    ("optional made required", one(TEXT), one(TEXT, required=["x"]), "incompatible"),
    ("required made optional", one(TEXT, required=["x"]), one(TEXT), "compatible"),
    ("new optional", obj(), one(TEXT), "compatible"),
    ("new optional, once any", obj(additionalProperties=True), one(TEXT), "incompatible"),
    ("new optional, once closed", obj(additionalProperties=False), one(TEXT, additionalProperties=False), "compatible"),
    ("new required", obj(), one(TEXT, required=["x"]), "incompatible"),
    ("removed, open", one(TEXT), obj(), "compatible"),
    ("removed, closed", one(TEXT), obj(additionalProperties=False), "incompatible"),
    ("closed", one(TEXT), one(TEXT, additionalProperties=False), "incompatible"),
    ("opened", one(TEXT, additionalProperties=False), one(TEXT), "compatible"),
    ("type changed", one(TEXT), one(WHOLE), "incompatible"),
    ("type narrowed", one({"type": "number"}), one(WHOLE), "incompatible"),
    ("type widened", one(WHOLE), one({"type": "number"}), "compatible"),
    ("null added", one(TEXT), one({"type": ["string", "null"]}), "compatible"),
    ("null removed", one({"type": ["string", "null"]}), one(TEXT), "incompatible"),
    ("null by anyOf", one({"type": ["string", "null"]}), one({"anyOf": [TEXT, {"type": "null"}]}), "compatible"),
    ("anyOf less", one({"anyOf": [TEXT, WHOLE]}), one(TEXT), "incompatible"),
    ("anyOf more", one({"anyOf": [TEXT, WHOLE]}), one({"anyOf": [WHOLE, {"type": "null"}, TEXT]}), "compatible"),
    ("enum value removed", one({"enum": ["a", "b"]}), one({"enum": ["a"]}), "incompatible"),
    ("enum value added", one({"enum": ["a"]}), one({"enum": ["b", "a"]}), "compatible"),
    ("enum from text", one(TEXT), one({"enum": ["a"]}), "incompatible"),
    ("enum to text", one({"enum": ["a", "b"]}), one({**TEXT, "maxLength": 1}), "compatible"),
    ("enum to shorter text", one({"enum": ["a", "bb"]}), one({**TEXT, "maxLength": 1}), "incompatible"),
    ("const is enum of one", one({"const": 1}), one({"enum": [1.0]}), "compatible"),
    ("true is not 1", one({"const": 1}), one({"const": True}), "incompatible"),
    ("bound tightened", one({**WHOLE, "maximum": 9}), one({**WHOLE, "maximum": 8}), "incompatible"),
    ("bound as exclusive", one({**WHOLE, "minimum": 1}), one({**WHOLE, "exclusiveMinimum": 0}), "compatible"),
    ("length tightened", one({**TEXT, "minLength": 1}), one({**TEXT, "minLength": 2}), "incompatible"),
    ("pattern added", one(TEXT), one({**TEXT, "pattern": "^a"}), "incompatible"),
    ("pattern changed", one({**TEXT, "pattern": "^a"}), one({**TEXT, "pattern": "^[a]"}), "unknown"),
    ("pattern dropped", one({**TEXT, "pattern": "^a"}), one(TEXT), "compatible"),
    ("multiple", one({**WHOLE, "multipleOf": 4}), one({**WHOLE, "multipleOf": 2}), "compatible"),
    ("items narrowed", one({"items": {"type": "number"}}), one({"items": WHOLE}), "incompatible"),
    ("items fewer", one({"maxItems": 3}), one({"maxItems": 2}), "incompatible"),
    ("unique", one({"type": "array"}), one({"type": "array", "uniqueItems": True}), "incompatible"),
    ("allOf is both", one({"allOf": [WHOLE, {"minimum": 2}]}), one({**WHOLE, "minimum": 1}), "compatible"),
    ("allOf narrows", one(WHOLE), one({"allOf": [WHOLE, {"minimum": 2}]}), "incompatible"),
    ("not equal", one({"not": TEXT}), one({"not": TEXT}, title="t"), "compatible"),
    ("not differs", one({"not": TEXT}), one({"not": WHOLE}), "unknown"),
    ("not dropped", one({"not": TEXT}), one({}), "compatible"),
    ("unknown keyword", one({"x-a": 1}), one({"x-a": 2}), "unknown"),
    ("unknown keyword kept", one({"x-a": 1}), one({"x-a": 1, "title": "t"}), "compatible"),
    ("unknown keyword added", one({}), one({"x-a": 1}), "unknown"),
    ("unknown keyword dropped", one({"x-a": 1}), one({}), "unknown"),
    ("malformed keyword", one({"type": "string"}), one({"type": "file"}), "unknown"),
    ("missing schema", True, one(TEXT), "compatible"),
    ("forbidden", one(TEXT), one(False), "incompatible"),
    (
        "reference in place of what it means",
        one(TEXT),
        {**one({"$ref": "#/$defs/T"}), "$defs": {"T": TEXT}},
        "compatible",
    ),
    (
        "the same reference to something else",
        {**one({"$ref": "#/$defs/T"}), "$defs": {"T": TEXT}},
        {**one({"$ref": "#/$defs/T"}), "$defs": {"T": WHOLE}},
        "incompatible",
    ),
    (
        "the same opaque reference to something else",
        {**one({"not": {"$ref": "#/$defs/T"}}), "$defs": {"T": TEXT}},
        {**one({"not": {"$ref": "#/$defs/T"}}), "$defs": {"T": WHOLE}},
        "unknown",
    ),
    ("remote reference", one(TEXT), one({"$ref": "https://example.com/schema.json"}), "unknown"),
    (
        "beside a reference in draft 7",
        one(WHOLE),
        {
            **one({"$ref": "#/definitions/T", "minimum": 3}),
            "definitions": {"T": WHOLE},
            "$schema": "http://json-schema.org/draft-07/schema#",
        },
        "unknown",
    ),
    (
        "union by discriminator gains one",
        one({"oneOf": [one({"const": "a"}, required=["x"])]}),
        one({"oneOf": [one({"const": "a"}, required=["x"]), one({"const": "b"}, required=["x"])]}),
        "compatible",
    ),
    (
        "union that may overlap gains one",
        one({"oneOf": [{"required": ["a"]}]}),
        one({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        "unknown",
    ),
    (
        "union with better texts",
        one({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        one({"oneOf": [{"required": ["a"], "title": "A"}, {"required": ["b"]}]}),
        "compatible",
    ),
]


@pytest.mark.parametrize(("old", "new", "kind"), [row[1:] for row in INPUT], ids=[row[0] for row in INPUT])
def test_input(old, new, kind):
    verdict = compatible(old, new, "input")
    assert verdict.kind == kind, verdict
    assert kind == "compatible" or verdict.reasons


OUTPUT = [
    ("required made optional", one(TEXT, required=["x"]), one(TEXT), "incompatible"),
    ("optional made required", one(TEXT), one(TEXT, required=["x"]), "compatible"),
    ("property added, open", obj(), one(TEXT, required=["x"]), "compatible"),
    ("property added, closed", obj(additionalProperties=False), one(TEXT, additionalProperties=False), "incompatible"),
    ("enum value added", one({"enum": ["a"]}), one({"enum": ["a", "b"]}), "incompatible"),
    ("enum value removed", one({"enum": ["a", "b"]}), one({"enum": ["a"]}), "compatible"),
    ("schema given for the first time", True, one(TEXT), "compatible"),
    ("schema taken away", one(TEXT, required=["x"]), True, "incompatible"),
    ("type against enum", one({"type": "number"}), one({"enum": ["a"]}), "incompatible"),
]


@pytest.mark.parametrize(("old", "new", "kind"), [row[1:] for row in OUTPUT], ids=[row[0] for row in OUTPUT])
def test_output(old, new, kind):
    assert compatible(old, new, "output").kind == kind


def test_reasons_say_where():
    old = obj({"owner": obj({"na/me": {"enum": ["a", "b"]}, "tags": {"type": "array", "items": TEXT}})})
    new = obj({"owner": obj({"na/me": {"enum": ["a"]}, "tags": {"type": "array", "items": WHOLE}}, required=["id"])})
    assert set(compatible(old, new, "input").reasons) == {
        ("/owner/na~1me", "no longer takes `b`"),
        ("/owner/tags/*", "no longer takes `string`"),
        ("/owner/id", "is required now"),
    }


def test_what_is_taken_for_granted_is_said():
    assert compatible(obj(), one(TEXT), "input").reasons == (("/x", "is new; whoever sent it undeclared may fail"),)
    assert compatible(obj(additionalProperties=False), one(TEXT), "input").reasons == ()


def recursive(value):
    node = obj({"value": value, "next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}})
    return {**one({"$ref": "#/$defs/N"}), "$defs": {"N": node}}


def test_recursive_schemas_are_compared():
    wide, narrow = recursive({"type": "number"}), recursive(WHOLE)
    assert compatible(narrow, wide, "input").kind == "compatible"
    found = compatible(wide, narrow, "input")
    assert found.kind == "incompatible"
    unrolled = {**narrow, "properties": {"x": narrow["$defs"]["N"]}}
    assert compatible(unrolled, wide, "input").kind == "compatible"


def deep(levels, inner):
    for _ in range(levels):
        inner = obj({"x": inner})
    return inner


def bomb(last):
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(60)}
    return {**one({"$ref": "#/$defs/d0"}), "$defs": {**defs, "d60": last}}


def choices(last):
    alternatives = [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(40)]
    return obj({}, allOf=alternatives, required=[last])


HOSTILE = {
    "deep": (deep(5000, TEXT), deep(5000, WHOLE)),
    "rather deep": (deep(100, TEXT), deep(100, WHOLE)),
    "deep within 40": (deep(40, TEXT), deep(40, WHOLE)),
    "self": ({"$ref": "#"}, {"$ref": "#", "title": "x"}),
    "ring": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "type": "object"},
    ),
    "reference bomb": (bomb(TEXT), bomb(WHOLE)),
    "choice bomb": (choices("x"), choices("y")),
    "wide": (obj({f"p{n}": TEXT for n in range(20_000)}), obj({f"p{n}": WHOLE for n in range(20_000)})),
    "huge": (obj({f"p{n}": {"a": [1] * 9} for n in range(20_000)}), obj({})),
    "long enum": (one({"enum": list(range(40_000))}), one({"enum": list(range(1, 40_000))})),
    "not schemas": ([1, 2], "text"),
    "nonsense": ({"properties": 3, "required": "x", "anyOf": [], "$ref": 4}, {"type": [], "items": [[]], "enum": 0}),
    "numbers": (
        one({"minimum": jsontext.Number("1e400"), "multipleOf": 0}),
        one({"minimum": float("nan"), "maxLength": -1, "multipleOf": 1e-300, "const": float("inf")}),
    ),
    "remote": (
        one({"$ref": "file:///etc/passwd"}),
        one({"$ref": "http://127.0.0.1:1/x", "$id": "http://127.0.0.1:1/"}),
    ),
}


SURE, EITHER = ["incompatible"], ["incompatible", "unknown"]
KNOWN = {
    "deep within 40": SURE,
    "choice bomb": EITHER,
    "wide": SURE,
    "numbers": EITHER,
    "long enum": ["incompatible", "compatible"],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("direction", ["input", "output"])
def test_hostile_schemas_end_in_a_verdict(name, direction):
    old, new = HOSTILE[name]
    start = time.process_time()
    verdict = compatible(old, new, direction)
    assert verdict.kind in KNOWN.get(name, ["unknown"])
    assert len(verdict.reasons) <= 20
    assert all(len(text) < 200 for _, text in verdict.reasons)
    assert time.process_time() - start < 5
    assert compatible(old, old, direction).kind in ("compatible", "unknown")


def test_many_comparisons_can_share_an_allowance():
    allowance = Allowance(10)
    wide = obj({f"p{n}": TEXT for n in range(100)})
    other = obj({f"p{n}": {**TEXT, "title": "t"} for n in range(100)})
    assert compatible(wide, other, "input", allowance).kind == "unknown"
    assert compatible(one(TEXT), one({**TEXT, "minLength": 0}), "input", allowance).kind == "unknown"
    assert compatible(wide, other, "input").kind == "compatible"


scalars = st.sampled_from([None, True, False, 0, 1, 2, 1.0, 2.5, "", "a", "bb"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)
names = st.lists(st.sampled_from("xyz"), unique=True, max_size=2)
kinds = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
small = st.integers(0, 2)
flat = {
    "type": kinds | st.lists(kinds, min_size=1, max_size=3, unique=True),
    "enum": st.lists(values, min_size=1, max_size=3),
    "const": values,
    "required": names,
    "minProperties": small,
    "maxProperties": small,
    "minItems": small,
    "maxItems": small,
    "uniqueItems": st.booleans(),
    "minLength": small,
    "maxLength": small,
    "pattern": st.sampled_from(["^a", "b"]),
    "minimum": small,
    "maximum": small,
    "exclusiveMinimum": small,
    "exclusiveMaximum": small,
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "title": st.just("t"),
    "$ref": st.sampled_from(["#/$defs/a", "#/$defs/b"]),
}


def nested(inner):
    several = st.lists(inner, min_size=1, max_size=2)
    keywords = {
        "properties": st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
        "patternProperties": st.dictionaries(st.sampled_from(["x", "y|z"]), inner, max_size=1),
        "additionalProperties": inner,
        "propertyNames": inner,
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "minContains": small,
        "not": inner,
        "if": inner,
        "then": inner,
        "anyOf": several,
        "oneOf": several,
        "allOf": several,
    }
    return st.lists(
        st.sampled_from([*flat, *keywords, *["properties", "anyOf", "type"] * 3]), max_size=3, unique=True
    ).flatmap(lambda chosen: st.fixed_dictionaries({key: {**flat, **keywords}[key] for key in chosen}))


schemas = st.booleans() | nested(st.booleans() | nested(st.booleans() | nested(st.just({}) | st.booleans())))


@st.composite
def pairs(draw):
    """Two schemas with the same definitions or not; the second often an edit of the first."""
    old = draw(nested(schemas))
    new = draw(st.one_of(nested(schemas), edits(old)))
    defs = {
        "a": draw(st.sampled_from([{"type": "string"}, {"minimum": 1}])),
        "b": {"properties": {"x": {"$ref": "#/$defs/b"}}},
    }
    other = draw(st.just(defs) | st.just({**defs, "a": {"type": ["string", "null"]}}))
    return {**old, "$defs": defs}, {**new, "$defs": other}


@st.composite
def edits(draw, schema):
    edited = dict(schema)
    for key in draw(st.lists(st.sampled_from([*schema] or ["title"]), max_size=1)):
        edited.pop(key, None)
    return {**edited, **draw(nested(schemas))} if draw(st.booleans()) else edited


def closed(schema, root=True):
    """The schema with objects closed that declare properties and do not say what else there may be."""
    if isinstance(schema, bool):
        return schema
    result = dict(schema)
    for key in ("properties", "patternProperties", "$defs"):
        if key in schema:
            result[key] = {name: closed(part, False) for name, part in schema[key].items()}
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in schema:
            result[key] = [closed(part, False) for part in schema[key]]
    for key in ("items", "additionalProperties"):
        if key in schema:
            result[key] = closed(schema[key], False)
    if root or "properties" in schema:
        result.setdefault("additionalProperties", False)
    return result


def valid(schema, value):
    return Draft202012Validator(schema, registry=CLOSED).is_valid(value)


arguments = st.dictionaries(st.sampled_from("xyzw"), values, max_size=3)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), st.lists(arguments, min_size=6, max_size=12))
def test_compatible_means_that_whatever_was_taken_is_taken(pair, instances):
    old, new = pair
    verdict = compatible(old, new, "input")
    if verdict.kind == "compatible":
        for value in instances:
            before = valid(old, value) and (not verdict.reasons or valid(closed(old), value))
            assert not before or valid(new, value), (old, new, value, verdict)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs(), st.lists(values | arguments, min_size=6, max_size=12))
def test_compatible_output_was_allowed_before(pair, instances):
    old, new = pair
    verdict = compatible(old, new, "output")
    if verdict == type(verdict)("compatible"):
        assert all(valid(old, value) for value in instances if valid(new, value))
