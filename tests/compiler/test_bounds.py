"""Files that are large in one way are refused soon, and what is wrong with them is not said ten thousand times."""

import time

import pytest
from meshes import BASE, compile_text

from meshplan.compiler.render.cells import LONG, row


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (BASE + "".join(f"key{n}: {n}\n" for n in range(20_000)), {"MESH101", "MESH107"}),
        (BASE + "extra: [" + "x, " * 250_000 + "]\n", {"MESH005"}),
        (BASE + "# " + "x" * 6_000_000, {"MESH005"}),
        (BASE + "extra: " + "[" * 100_000, {"MESH006"}),
        (BASE + "include: [" + "a.yaml, " * 50_000 + "]\n", {"MESH542"}),
        (BASE.replace("{team: writers}]", "{team: writer}, " * 5_000 + "]"), {"MESH209"}),
    ],
    ids=["unknown keys", "values", "characters", "levels", "includes", "unknown names"],
)
def test_a_large_file_is_refused_soon(text, codes):
    began = time.process_time()
    compiled = compile_text(text)
    assert time.process_time() - began < 10
    assert {d.code for d in compiled.diagnostics} == codes
    assert len(compiled.diagnostics) <= 5_000


def test_a_thousand_mistakes_are_explained_and_the_rest_is_counted():
    found = compile_text(BASE + "".join(f"key{n}: {n}\n" for n in range(1_500))).diagnostics
    assert [d.message for d in found if d.code == "MESH107"] == ["there are 500 more mistakes"]
    assert sum(d.code == "MESH101" for d in found) == 1_000


@pytest.mark.parametrize("first", [1, 2, 139, 3_000, LONG, 50_000, 99_999, 100_001])
def test_a_very_long_line_is_shown_around_the_place(first):
    line = "".join(chr(97 + n % 26) for n in range(100_000))
    shown = row(line, first)
    assert len(shown.text) <= 145
    assert len(shown.at) == len(line) + 1
    if first <= len(line):
        assert shown.text[shown.cell(first)] == line[first - 1]
