"""Every diagnostic is documented by examples that do what they say."""

import re
from pathlib import Path

import pytest
from meshes import compile_case
from test_cases import CASES

from meshplan.compiler.rules import RULES


def _as_case(text):
    return text if "mesh: v1" in text.partition("#@")[0] or text.startswith("#env") else f"#+ sections\n{text}"


@pytest.mark.parametrize("rule", [r for r in RULES if r.bad], ids=lambda r: r.code)
def test_the_bad_example_yields_exactly_its_code(rule):
    codes = [d.code for d in compile_case(_as_case(rule.bad)).diagnostics]
    assert codes == [rule.code]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_the_good_example_yields_nothing(rule):
    assert compile_case(_as_case(rule.good)).diagnostics == ()


def test_codes_and_slugs_are_unique_and_well_formed():
    assert len({r.code for r in RULES}) == len({r.slug for r in RULES}) == len(RULES)
    assert all(re.fullmatch(r"MESH[0-9]{3}", r.code) for r in RULES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", r.slug) for r in RULES)


def test_every_code_has_a_case():
    shown = "".join(path.read_text() for path in Path(CASES).glob("*/*.txt"))
    without_example = {
        "MESH002",
        "MESH005",
        "MESH107",
        "MESH903",
        "MESH534",
    }  # own tests: a missing, a huge, a damaged file
    missing = {r.code for r in RULES if r.code not in shown} - without_example
    assert missing == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)
def test_texts_follow_the_house_rules(rule):
    assert rule.summary[0].islower() or rule.summary[0] == "`"
    assert not rule.summary.endswith(".")
    assert "\n" not in rule.summary
    assert rule.why.rstrip("”)").endswith((".", "?", "”"))
