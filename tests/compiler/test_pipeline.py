"""The same sources give the same plan, whatever they are read on; and nothing but a plan or diagnostics comes out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import BASE, compile_text, lock_texts

from meshplan.compiler.pipeline import BACK, FRONT, PASSES
from meshplan.schemas.bundle import pack, unpack

FULL = (Path(__file__).parent / "cases/ok/everything-of-the-spine.yaml").read_text()


def test_the_passes_are_front_then_back():
    assert (*FRONT, *BACK) == PASSES
    assert [p.__name__ for p in PASSES] == [
        "source",
        "assemble",
        "syntax",
        "locks",
        "resolve",
        "checks",
        "lower",
        "emit",
        "assure",
    ]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "# a comment first\n" + text.replace("\nservers:", "\n\n# and one here\nservers:"),
        lambda text: text.replace("{team: writers}, {user: ana, agent: ci}", "{agent: ci, user: ana}, {team: writers}"),
    ],
    ids=["CRLF", "BOM", "comments", "order of a set"],
)
def test_what_does_not_matter_does_not_change_the_digest(rewrite):
    assert rewrite(FULL) != FULL
    assert compile_text(rewrite(FULL)).bundle.digest == compile_text(FULL).bundle.digest


def test_sections_may_stand_in_any_order():
    sections = BASE.replace("\nservers:", "\n\x00servers:").replace("\nroles:", "\n\x00roles:").split("\x00")
    assert compile_text("".join(reversed(sections))).bundle.digest == compile_text(BASE).bundle.digest


@pytest.mark.parametrize(
    "change",
    [("[get_*, create_ticket]", "[get_*]"), ("effect: destructive", "effect: write"), ("2027-03-31", "2028-03-31")],
)
def test_what_is_enforced_does_change_the_digest(change):
    old, new = change
    text = FULL.replace(old, new)
    assert text != FULL
    if "create_ticket" in old:
        text = text.replace(
            "      create_ticket: {name: open_ticket, description: open one, set: {owner: desk}, hide: [urgent]}\n",
            "      get_ticket: {description: one}\n",
        )
    assert compile_text(text).bundle.digest != compile_text(FULL).bundle.digest


def test_a_plan_file_is_read_back_as_it_was_written():
    bundle = compile_text(FULL).bundle
    again = unpack(pack(bundle))
    assert again == bundle
    assert pack(again) == pack(bundle)


def test_plans_are_byte_identical_across_hash_seeds_folders_and_line_endings(tmp_path):
    made = []
    for number, (seed, ending) in enumerate([("0", "\n"), ("1", "\r\n"), ("4711", "\n")]):
        root = tmp_path / f"elsewhere-{number}"
        (root / "mesh.lock").mkdir(parents=True)
        (root / "mesh.yaml").write_bytes(FULL.replace("\n", ending).encode())
        for name, text in lock_texts(FULL).items():
            (root / name).write_text(text)
        cwd = root if number else tmp_path
        command = [
            sys.executable,
            "-m",
            "meshplan.compiler",
            *(["-C", str(root)] if not number else []),
            "plan",
            "--out",
            str(root / "plan.mesh"),
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
        made.append((root / "plan.mesh").read_bytes())
    assert made[0] == made[1] == made[2]
    assert str(tmp_path).encode() not in made[0]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_gives_a_plan_or_diagnostics(data):
    """Cut, repeat and replace stretches of a full file: never a traceback, and no plan beside an error."""
    text = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = (
            text[:start]
            + data.draw(
                st.sampled_from(["", " ", "\n", "\t", "{", "]", ": ", "&a ", "*a", "null", "0x", "'", "é", "- "])
            )
            + text[end:]
        )
    compiled = compile_text(text)
    errors = [d for d in compiled.diagnostics if d.severity == "error"]
    assert (compiled.bundle is None) == bool(errors)
    for diagnostic in compiled.diagnostics:
        assert 1 <= diagnostic.span.line <= text.count("\n") + 2
