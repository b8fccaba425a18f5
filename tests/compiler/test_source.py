"""Text to data with places."""

import pytest

from meshplan.compiler.marks import locate
from meshplan.compiler.source import read_yaml


def read(text):
    return read_yaml("f.yaml", text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("a", "a"), ("'no'", "no"), ('"012"', "012"), ("true", True), ("False", False), ("null", None), ("~", None),
        ("7", 7), ("-7", -7), ("0x1F", 31), ("1.5", 1.5), ("-.5", -0.5), ("2027-01-01", "2027-01-01"), ("10s", "10s"),
        ("1.2.3", "1.2.3"), ("nope", "nope"), ("yesterday", "yesterday"), ("{x: 1}", {"x": 1}), ("[1, a]", [1, "a"]),
        ("|\n  two\n  lines\n", "two\nlines\n"), (">-\n  one\n  line\n", "one line"), ('"\\u202e"', "\u202e"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema(written, value):
    root, found = read(f"k: {written}\n")
    assert not found
    assert root == {"k": value}
    assert type(root["k"]) is type(value) or isinstance(value, dict | list)


@pytest.mark.parametrize(
    "written",
    [
        "no",
        "NO",
        "yes",
        "on",
        "Off",
        "y",
        "N",
        "012",
        "0o17",
        "1e3",
        "1.5E+10",
        "12:30",
        "1:2:3.5",
        "1_000",
        ".inf",
        "-.INF",
        ".nan",
        "12345678901234567890",
    ],
)
def test_what_other_readers_take_for_something_else_must_be_quoted(written):
    _, found = read(f"k: {written}\n")
    assert [d.code for d in found] == ["MESH031"]
    assert found[0].fix.text == f'"{written}"'
    assert read(f'k: "{written}"\n') == ({"k": written}, ())


def test_every_key_and_value_has_its_place():
    root, _ = read("top:\n  - name: 'é 1'\n    more: [a,\n      bb]\n")
    key = locate(root, ("top", 0, "more")).key_span()
    assert (key.line, key.column, key.end_column) == (3, 5, 9)
    item = locate(root, ("top", 0, "more", 1)).value_span()
    assert (item.line, item.column, item.end_column) == (4, 7, 9)
    name = locate(root, ("top", 0, "name")).value_span()
    assert (name.line, name.column, name.end_column) == (2, 11, 16)


def test_a_block_ends_with_its_last_item_and_not_at_the_next_token():
    root, _ = read("a:\n  b: 1\n\n# a comment\nc: 2\n")
    assert locate(root, ("a",)).value_span().end_line == 2


def test_crlf_and_bom_leave_places_alone():
    plain, marked = read("a: 1\nb: {c: x}\n")[0], read("\ufeffa: 1\r\nb: {c: x}\r\n")[0]
    assert locate(plain, ("b", "c")).value_span() == locate(marked, ("b", "c")).value_span()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[", "a: b: c", "'", "a: !!python/object:os.system x", "{" * 1000, "? a", "%YAML 9", "a: \0"]
)
def test_hostile_text_gives_diagnostics(text):
    root, found = read(text)
    assert found or root is not None


def test_a_depth_bomb_is_refused_quickly():
    root, found = read("a: " + "[" * 100_000)
    assert root is None
    assert [d.code for d in found] == ["MESH006"]
