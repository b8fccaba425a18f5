"""The schemas say what the compiler takes, and tell an editor what every key means."""

import copy
import json
import re
from functools import cache

import pytest
from corpus import compiled
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from meshes import compile_case
from pydantic import ValidationError
from referencing import Registry
from test_cases import CASES
from test_rules import _as_case

from meshplan.compiler.cli import run
from meshplan.compiler.rules import RULES
from meshplan.compiler.schema import FILES, FOLDER, KINDS, make_schema, schema_text
from meshplan.compiler.schema.describe import models
from meshplan.compiler.schema.keys import KEYS
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax.mesh import Mesh

DRAFTS = {"2020-12": Draft202012Validator, "7": Draft7Validator}

BEYOND_JSON_SCHEMA: dict[str, str] = {"error/servers-http-port": "the bound of a port is arithmetic"}
"""Cases that the schema accepts and the compiler refuses for their shape, each with the reason why it cannot say so."""


SHAPE_OF_MEANING: dict[str, str] = {
    "error/budgets-zone": "time zones are data of the machine",
    "error/include-wrong-type-of-section": "two files are seen together",
    "error/roles-rule-two-makers": "keys that are each right alone",
    "error/schema-slips-of-keywords": "a schema inside the mesh is judged as a schema, not as data",
    "error/servers-http-port": "the bound of a port is arithmetic",
    "error/workflows-schema-type": "a schema inside the mesh is judged as a schema, not as data",
}
"""Cases with the code of an error of shape that only a later pass can find, each with the reason."""


@cache
def validator(draft, kind="mesh"):
    return DRAFTS[draft](make_schema(kind, draft), registry=Registry())


def compiler_takes(document):
    try:
        Mesh.model_validate(document)
    except ValidationError:
        return False
    return True


@cache
def corpus():
    """Every case and every example of a rule, compiled."""
    examples = {f"{r.code}/{kind}": text for r in RULES for kind, text in (("bad", r.bad), ("good", r.good)) if text}
    return compiled() | {name: compile_case(_as_case(text)) for name, text in examples.items()}


def readable(result):
    return result.draft.whole is not None and all(
        d.code >= "MESH1" and d.code != "MESH224" for d in result.diagnostics if d.severity == "error"
    )


def documents():
    """What the compiler has assembled wherever the YAML could be read, as plain data."""
    for name, result in sorted(corpus().items()):
        if readable(result):
            yield name, json.loads(json.dumps(result.draft.whole))


@pytest.mark.parametrize("draft", DRAFTS)
def test_schema_and_compiler_accept_and_refuse_the_same_documents(draft):
    verdicts = {name: (compiler_takes(data), validator(draft).is_valid(data)) for name, data in documents()}
    disagreed = {name: verdict for name, verdict in verdicts.items() if verdict[0] != verdict[1]}
    assert {name for name, (taken, _) in disagreed.items() if taken} == set(), (
        "the schema refuses what the compiler takes"
    )
    assert set(disagreed) == set(BEYOND_JSON_SCHEMA)
    assert sum(taken for taken, _ in verdicts.values()) > 50
    assert sum(not taken for taken, _ in verdicts.values()) > 10


def test_what_only_has_errors_of_shape_is_refused_and_what_has_none_is_not():
    """The same by diagnostic codes, so that a change of the compiler's border cannot hide."""
    for name, data in documents():
        said = [d for d in corpus()[name].diagnostics if not d.span.file.endswith(".mesh-test.yaml")]
        errors = {d.code for d in said if d.severity == "error"}
        shape = {code for code in errors if code < "MESH2" or code == "MESH601"}
        takes = validator("2020-12").is_valid(data)
        if not shape:
            assert takes, name
        elif shape == errors and name not in SHAPE_OF_MEANING:
            assert not takes, name


WRONG = [None, True, 7, "", "x y", "UPPER", "all", "v1", "30s", "30", "4MiB", [], ["all"], [""], {}, {"env": "X"}]
WRONG += [{"env": "X", "file": "y"}, {"nonsense": 1}, "https://x.example/mcp", "http://u:p@x.example", "ftp://x", "0s"]
WRONG += [
    "127.0.0.1:8700",
    "localhost",
    "3.00 usd/1M",
    "0.5 usd",
    "60 calls",
    "2.5 calls",
    "80%",
    "0%",
    "101%",
    "2027-13-01",
]


def places(node, path=()):
    yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places(value, (*path, index))


@cache
def sound():
    return [data for name, data in documents() if compiler_takes(data) and name.startswith("ok/")]


@st.composite
def changed(draw):
    """A sound mesh with one or two places changed, taken away, added or renamed."""
    data = copy.deepcopy(draw(st.sampled_from(sound())))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([path for path in places(data) if path] or [None]))
        if path is None:
            break
        holder = data
        for part in path[:-1]:
            holder = holder[part]
        change = draw(st.sampled_from(["value", "value", "value", "remove", "add", "rename"]))
        if change == "value":
            holder[path[-1]] = copy.deepcopy(draw(st.sampled_from(WRONG)))
        elif change == "remove":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            value = holder.pop(path[-1]) if change == "rename" else 1
            holder[draw(st.sampled_from(["extra", "a b", "UPPER", "", "http", "env", "server", "GET"]))] = value
    return data


@settings(max_examples=400, deadline=None)
@given(changed())
def test_they_agree_on_any_small_change_of_a_sound_mesh(data):
    taken = compiler_takes(data)
    for draft in DRAFTS:
        problems = [f"{e.json_path}: {e.message}"[:200] for e in validator(draft).iter_errors(data)]
        assert (not problems) == taken, (draft, problems)


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_schemas_and_closed(draft, kind):
    schema = make_schema(kind, draft)
    DRAFTS[draft].check_schema(schema)
    text = json.dumps(schema)
    references = set(re.findall(r'"\$ref": "([^"]*)"', text))
    place = "#/$defs/" if draft == "2020-12" else "#/definitions/"
    assert all(reference.startswith(place) for reference in references)
    assert all(reference.removeprefix(place) in schema[place[2:-1]] for reference in references)
    assert "x-word" not in text


def parts(node, name=""):
    if isinstance(node, dict):
        yield name, node
        for key, value in node.items():
            if key not in ("default", "examples", "enum", "const"):
                yield from parts(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from parts(value, name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_draft_7_profile_is_flat(kind):
    for name, part in parts(make_schema(kind, "7")):
        if name in ("properties", "patternProperties", "definitions"):
            continue
        assert "$ref" not in part or len(part) == 1
        assert not {"oneOf", "$defs", "prefixItems", "discriminator", "unevaluatedProperties"} & set(part)
        assert part.get("markdownDescription") == part.get("description")


def test_each_choice_of_the_draft_7_profile_requires_a_key_of_its_own():
    schema = make_schema("mesh", "7")
    for _, part in parts(schema):
        if "anyOf" in part:
            branches = [schema["definitions"][b["$ref"].split("/")[-1]] if "$ref" in b else b for b in part["anyOf"]]
            objects = [b for b in branches if b.get("type") == "object"]
            if len(objects) > 1:
                assert all(b.get("required") for b in objects)
                assert len({tuple(sorted(b["required"])) for b in objects}) == len(objects)


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_key_has_a_description_and_examples_that_are_allowed_there(draft):
    schema = make_schema("mesh", draft)
    for name, holder in parts(schema):
        if name == "properties":
            continue
        for key, part in holder.get("properties", {}).items():
            where = f"{holder.get('title', 'Mesh')}.{key}"
            assert part.get("description"), f"{where} has no description: write one in compiler/schema/keys"
            assert part.get("examples"), f"{where} has no example: write one in compiler/schema/keys"
            inner = {**part, "$defs": schema.get("$defs", {}), "definitions": schema.get("definitions", {})}
            for example in part["examples"]:
                problems = list(DRAFTS[draft](inner, registry=Registry()).iter_errors(example))
                assert problems == [], where
            if "default" in part:
                assert DRAFTS[draft](inner, registry=Registry()).is_valid(part["default"]), where


def test_no_description_is_of_a_key_that_is_gone():
    known = {
        f"{a.__name__}.{f.alias or n}"
        for m in models(Mesh)
        for a in m.__mro__
        for n, f in getattr(a, "model_fields", {}).items()
    }
    assert set(KEYS) - known == set()


@pytest.mark.parametrize("key", KEYS)
def test_descriptions_follow_the_house_rules(key):
    text = KEYS[key][0]
    assert text[0].isupper() or text[0] == "`"
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("draft", DRAFTS)
def test_a_parameter_may_stand_wherever_text_may(draft):
    text = (
        "mesh: v1\nname: a\nparameters: {t: {default: 5s}}\nservers:\n  notes:\n"
        "    http: https://${param.t}.example/mcp\n    timeout: ${param.t}\n"
    )
    data = json.loads(json.dumps(read_yaml("mesh.yaml", text)[0]))
    assert validator(draft).is_valid(data)
    data["servers"]["notes"]["timeout"] = "${parm.t}"
    assert not validator(draft).is_valid(data)


@pytest.mark.parametrize("name", FILES)
def test_the_generated_files_are_up_to_date(name):
    path = FOLDER / name
    current = path.read_text(encoding="utf-8") if path.exists() else ""
    assert current == schema_text(*FILES[name]), f"schemas/{name} is stale: run `make schemas`"


@pytest.mark.parametrize("words", [[], ["--draft", "7"], ["--kind", "plan"], ["--kind", "diagnostics", "--draft", "7"]])
def test_the_command_prints_a_schema(capsys, words):
    assert run(["schema", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["$schema"].startswith(
        "http://json-schema.org/draft-07/" if "7" in words else "https://json-schema.org/draft/2020-12/"
    )


def test_a_plan_matches_its_schema():
    bundle = compiled()["ok/base"].bundle
    plan = json.loads(bundle.plan.model_dump_json())
    for draft in DRAFTS:
        assert list(validator(draft, "plan").iter_errors(plan)) == []


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("runtime", "listen"), "127.0.0.1:65536", "a bound on a number inside a text"),
        (("servers", "notes", "http"), "http://x.example:99999", "a bound on a number inside a text"),
        (("grants", 0, "expires"), "2027-02-30", "the length of a month"),
    ],
)
def test_what_json_schema_cannot_say(path, value, reason):
    text = (
        "mesh: v1\nname: a\nservers: {notes: {http: 'https://x.example'}}\n"
        "grants: [{role: r, to: [{team: t}], expires: 2027-01-01}]\nruntime: {listen: '127.0.0.1:1'}\n"
    )
    data = json.loads(json.dumps(read_yaml("mesh.yaml", text)[0]))
    assert compiler_takes(data)
    holder = data
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    assert not compiler_takes(data), reason
    assert validator("2020-12").is_valid(data), reason


def test_the_schema_of_test_files_takes_what_the_compiler_takes():
    files = [path for path in CASES.glob("*/test-*.yaml") if path.stem != "test-not-yaml"]
    takes = {}
    for path in files:
        text = path.read_text().partition("#@ access.mesh-test.yaml\n")[2]
        data = json.loads(json.dumps(read_yaml("t", text)[0]))
        said = {d.code for d in compile_case(path.read_text()).diagnostics}
        takes[path.stem] = validator("2020-12", "test").is_valid(data), not any(code < "MESH2" for code in said)
    assert len(takes) >= 14
    assert {name: pair for name, pair in takes.items() if pair[0] != pair[1]} == {}
    assert {pair[0] for pair in takes.values()} == {True, False}
