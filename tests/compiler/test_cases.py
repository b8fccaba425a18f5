"""Drop a file into cases/{ok,warn,error} = add a test. Beside it, NAME.txt has every diagnostic, one a line.

meshes.compile_case says what its comment lines `#+ sections`, `#env NAME` and `#@ FILE` mean.

MESH_UPDATE_CASES=1 writes the .txt files anew; read the diff before you commit it.
"""

import os
from pathlib import Path

import pytest
from meshes import compile_case

from meshplan.compiler.render.concise import render_concise
from meshplan.compiler.render.view import view

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.glob("*/*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_case_says_exactly_what_is_expected(path):
    compiled = compile_case(path.read_bytes().decode())
    said = render_concise(view(compiled.diagnostics, compiled.texts))
    expected = path.with_suffix(".txt")
    if os.environ.get("MESH_UPDATE_CASES"):
        expected.write_text(said) if said else expected.unlink(missing_ok=True)
    assert said == (expected.read_text() if expected.exists() else "")
    worst = {d.severity for d in compiled.diagnostics}
    kind = path.parent.name
    assert (compiled.bundle is None) == (kind == "error")
    assert ("error" in worst) == (kind == "error")
    assert bool(worst) == (kind != "ok")
    assert (compiled.bundle is not None) or worst


def test_there_are_cases_of_every_kind():
    assert {path.parent.name for path in FILES} == {"ok", "warn", "error"}
    assert sum(path.parent.name == "error" for path in FILES) >= 400


def test_one_slip_gives_one_error():
    said = {path.stem: path.read_text().count("\n") for path in CASES.glob("error/one-*.txt")}
    assert len(said) >= 10
    assert set(said.values()) == {1}, said


def test_texts_follow_the_house_rules():
    """One sentence without capital and period, advice apart."""
    for path in CASES.glob("*/*.txt"):
        for line in path.read_text().splitlines():
            _, _, text = line.partition("] ")
            for part in text.split("; help: "):
                assert not part[0].isupper(), (path.name, part)
                assert not part.endswith((".", "!")), (path.name, part)
