"""docs/rules.md and `mesh explain` say what the registry says."""

from pathlib import Path

import cmarkgfm
import pytest

from meshplan.compiler.cli import run
from meshplan.compiler.rules import RULES
from meshplan.compiler.rules.page import example, rules_page

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_what_the_registry_makes():
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "run `make docs`"


def test_every_link_of_the_page_leads_to_a_section():
    html = cmarkgfm.github_flavored_markdown_to_html(rules_page())
    assert html.count("<h2>") == html.count('<a href="#') == len(RULES)
    assert all(f"<h2>{rule.code}</h2>" in html and f'href="#{rule.code.lower()}"' in html for rule in RULES)


def test_nothing_on_the_page_is_invisible():
    assert all(char.isprintable() or char == "\n" for char in rules_page())
    assert "description: safe\\u202e" in rules_page()


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_explain_has_all_that_the_page_has(rule, capsys):
    assert run(["explain", rule.code]) == 0
    out = capsys.readouterr().out
    parts = [rule.code, rule.slug, rule.summary, *rule.why.split(), *example(rule.good).split("\n")]
    assert [part for part in parts if part not in out] == []
    assert "\x1b" not in out
    assert ("Wrong:" in out) == bool(rule.bad)
    assert ("Meant as it is?" in out) == (rule.level != "error" and not rule.slug.endswith("-suppression"))


def test_explain_takes_several_codes_and_names_once_each(capsys):
    assert run(["explain", "mesh405", "duplicate-key", "dead-rule"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("MESH")] == ["MESH405", "MESH023"]


def test_explain_says_which_code_there_is_not(capsys):
    assert run(["explain", "MESH405", "MESH4O6"]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no diagnostic `MESH4O6`; did you mean `MESH406`?" in err


def test_explain_is_coloured_when_asked(capsys):
    assert run(["explain", "--color", "always", "MESH405"]) == 0
    assert "\x1b[33m\x1b[1mMESH405" in capsys.readouterr().out
