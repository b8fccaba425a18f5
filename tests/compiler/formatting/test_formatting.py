"""One layout: idempotent, the same value, the same lines and comments but for blanks."""

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from untidy import documents

from meshplan.compiler.formatting import CannotFormat, Edit, format_text, layout_edits
from meshplan.compiler.newlines import normalised
from meshplan.compiler.source import read_yaml

CASES = sorted((Path(__file__).parents[1] / "cases").glob("*/*.yaml"))


def fmt(text):
    return format_text("f.yaml", text)


def without_blanks(text):
    """What a formatter may not touch: every character but blanks, line by line, and in order."""
    return [line for line in (re.sub(r"\s", "", line) for line in normalised(text).split("\n")) if line]


def check(text):
    first = fmt(text)
    assert first.text is not None
    again = fmt(first.text)
    assert again.text == first.text
    assert layout_edits(first.text) == ()
    assert read_yaml("f.yaml", text)[0] == read_yaml("f.yaml", first.text)[0]
    before, after = without_blanks(text), without_blanks(first.text)
    if not text.endswith("\n") and before != after:  # a block scalar without a last line break says so
        before[-1:], after[-1:] = [], []
        before = [re.sub(r"([|>])[-+]?(\d?)[-+]?(#.*)?$", "", line) for line in before]
        after = [re.sub(r"([|>])[-+]?(\d?)[-+]?(#.*)?$", "", line) for line in after]
    assert after == before
    assert re.findall(r"#\s*c\d+", text) == re.findall(r"#\s*c\d+", first.text)
    assert first.text.endswith("\n")
    assert "\r" not in first.text
    assert not first.text.startswith(("\ufeff", "\n"))
    return first.text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_any_document_keeps_its_value_its_lines_and_its_comments(text):
    assume(not read_yaml("f.yaml", text)[1])
    check(text)


def scalar_lines(text):
    """The lines that a scalar goes on after: what they end with is content, as are blank ones."""
    held = set()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            block = event.style in ("|", ">")
            held.update(range(event.start_mark.line + block, event.end_mark.line))
    return held


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_the_layout_is_the_same_for_all(text):
    """Read with the pure-Python parser, which shares nothing with the one that formats."""
    assume(not read_yaml("f.yaml", text)[1])
    result = fmt(text).text
    depth, flows = 0, 0
    for event in yaml.parse(result, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            if event.flow_style or flows:
                flows += 1
            else:
                assert event.start_mark.column == 2 * depth
                depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            flows, depth = (flows - 1, depth) if flows else (0, depth - 1)
    held = scalar_lines(result)
    lines = result.split("\n")[:-1]
    for number, line in enumerate(lines):
        if number not in held:
            assert line == line.rstrip()
            assert line or (number and (lines[number - 1] or number - 1 in held))
            assert "\t" not in line[: len(line) - len(line.lstrip())]


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_case_is_laid_out_or_refused_and_left_alone(path):
    text = path.read_bytes().decode()
    root, found = read_yaml("f.yaml", text)
    if root is None or any(d.severity == "error" for d in found):
        assert fmt(text).text is None
        assert fmt(text).diagnostics == found
    else:
        check(text)


def test_the_example_has_its_layout():
    text = (Path(__file__).parents[3] / "mesh.yaml.example").read_text()
    assert fmt(text).text == text


@pytest.mark.parametrize(
    ("written", "laid_out"),
    [
        ("a:   1\n", "a: 1\n"),
        ("a :\t1", "a: 1\n"),
        ("a: 1   \n\n\n\nb: 2\n\n", "a: 1\n\nb: 2\n"),
        ("a:\n- x\n-   z\n", "a:\n  - x\n  - z\n"),
        ("a:\n-   b: 1\n    c: 2\n-  - x\n   -    z\n", "a:\n  - b: 1\n    c: 2\n  - - x\n    - z\n"),
        ("a: { b : 1,c: [ 1,2 , ] , d: { } }\n", "a: {b: 1, c: [1, 2,], d: {}}\n"),
        ('a: {"b":1, c: , d: }\n', 'a: {"b": 1, c: , d: }\n'),
        ("a: [\n1,\n      2\n]\n", "a: [\n  1,\n  2\n]\n"),
        ("a: [\n      1,\n      2\n   ]\n", "a: [\n  1,\n  2\n  ]\n"),
        ("a: [{\n b: 1\n}, {\n  c: 2}]\n", "a: [{\n  b: 1\n}, {\n  c: 2}]\n"),
        ("a:\n   - {b: 1,\n      c: 2}\n", "a:\n  - {b: 1,\n      c: 2}\n"),
        ("?   a\n:   b\n", "? a\n: b\n"),
        ("a: one\n     two\n\n     three\n", "a: one\n  two\n\n  three\n"),
        ('a: "one \\\n     two\\ \n   x"\n', 'a: "one \\\n  two\\ \n  x"\n'),
        ("a:\n      |\n        x\n         y\n", "a:\n  |\n  x\n   y\n"),
        ("a:\n    b: |2-\n        x\n       y  \n\n\nc: 1\n", "a:\n  b: |2-\n      x\n     y  \n\nc: 1\n"),
        ("a: |+\n      x\n\n\nb: 1\n", "a: |+\n  x\n\n\nb: 1\n"),
        ("a: |\n   x", "a: |-\n  x\n"),
        ("a: >+  # c\n   x", "a: >-  # c\n  x\n"),
        ("--- \na: 1\n...\n", "---\na: 1\n...\n"),
        ("\n\n# c\na: 1\n# d", "# c\na: 1\n# d\n"),
        ("\ufeffa: 1\r\nb: 2\r\n", "a: 1\nb: 2\n"),
        ("a: 1\rb: 2\r", "a: 1\nb: 2\n"),
    ],
)
def test_examples(written, laid_out):
    assert check(written) == laid_out


@pytest.mark.parametrize(
    ("written", "laid_out"),
    [
        ("a:\n    # of b\n    b: 1\n", "a:\n  # of b\n  b: 1\n"),
        ("a:\n# of b\n    b: 1\n", "a:\n  # of b\n  b: 1\n"),
        ("a:\n    b: 1\n    # still in a\nc: 2\n", "a:\n  b: 1\n  # still in a\nc: 2\n"),
        ("a:\n    b: 1\n# of c\nc: 2\n", "a:\n  b: 1\n# of c\nc: 2\n"),
        ("a:\n     # nothing in here yet\nc: 2\n", "a:\n  # nothing in here yet\nc: 2\n"),
        ("a:\n- x\n# of y\n- z\n# of b\nb: 1\n# end\n", "a:\n  - x\n  # of y\n  - z\n# of b\nb: 1\n# end\n"),
        ("a:\n- x\n  # in a\nb: 1\n", "a:\n  - x\n  # in a\nb: 1\n"),
        ("a: |\n     x\n  # not text\nb: 1\n", "a: |\n  x\n# not text\nb: 1\n"),
        ("a: [\n# of 1\n 1\n # after it\n]\n", "a: [\n  # of 1\n  1\n  # after it\n]\n"),
        ("a: 1\t# c  \n", "a: 1 # c\n"),
        ("a:   1  # x\nbc:  2  # y\n", "a: 1   # x\nbc: 2  # y\n"),
        ("a: {b:   1}    # x\nbc:  2         # y\n", "a: {b: 1}    # x\nbc: 2        # y\n"),
        ("a:   1 # x\nb: 23   # y\n", "a: 1 # x\nb: 23   # y\n"),
    ],
)
def test_comments_stay_with_what_they_are_about(written, laid_out):
    assert check(written) == laid_out


def test_lines_are_never_joined_or_broken():
    long = "a: {" + ", ".join(f"key{n}: value{n}" for n in range(100)) + "}\n"
    assert check(long) == long


def test_quotes_are_left_alone():
    text = "a: 'x'\nb: \"y\"\nc: z\nd: '012'\n"
    assert check(text) == text


@pytest.mark.parametrize(
    "text", ["", "a: no\n", "a: *b\n", "a: !t x\n", "a: [\n", "- a\n", "a: 1\na: 2\n", "a:\n\tb: 1\n"]
)
def test_a_file_with_yaml_errors_is_not_laid_out(text):
    refused = fmt(text)
    assert refused.text is None
    assert refused.diagnostics


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("text", ["a: 'x{}  y'\nb:   1\n", "a: 1  # c{}b: 2\n", "a: |\n    x{}    z\n"])
def test_line_breaks_of_other_standards_never_change_what_a_file_says(text, char):
    written = text.format(char)
    try:
        result = fmt(written).text
    except CannotFormat:
        return
    assert result is None or read_yaml("f.yaml", result)[0] == read_yaml("f.yaml", written)[0]


def test_where_the_value_would_change_the_file_is_left_alone(monkeypatch):
    monkeypatch.setattr("meshplan.compiler.formatting.layout_edits", lambda _text: (Edit(3, 4, "2"),))
    with pytest.raises(CannotFormat, match="cannot be laid out"):
        fmt("a: 1\n")


def test_edits_are_small_and_in_order():
    edits = layout_edits("a:  1\nb: {c: 1}\nd: [ 2]\n")
    assert [tuple(e) for e in edits] == [(2, 4, " "), (20, 21, "")]


def test_ten_thousand_lines_take_little_time():
    text = "a:\n" + "".join(f"    k{n}: {{server:   x{n}, tools: [a , b]}} # c\n" for n in range(10_000))
    start = time.process_time()
    assert fmt(text).text.count("\n") == 10_001
    assert time.process_time() - start < 10


def test_without_libyaml_the_layout_is_the_same(monkeypatch):
    text = "a :\n- x   # c\n-  b: >+\n      t\n\n\n   c: [ 1,\n 2]\n"
    expected = check(text)
    monkeypatch.setattr("meshplan.compiler.formatting.tokens._LOADER", yaml.SafeLoader)
    assert check(text) == expected
