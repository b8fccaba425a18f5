"""A stretch of a value is found in every way to write the value in YAML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.compiler.source import read_yaml
from meshplan.compiler.within import within

VALUE = "args.query != 'a' && args.name == \"b\""
WRITTEN = {
    "plain": f"key: {VALUE}\n",
    "single": "key: '{}'\n".format(VALUE.replace("'", "''")),
    "double": 'key: "{}"\n'.format(VALUE.replace('"', '\\"')),
    "double with escapes": 'key: "{}"\n'.format(VALUE.replace('"', "\\x22").replace("a", "\\u0061")),
    "literal": f"key: |-\n  {VALUE}\n",
    "literal, indented": f"key: |-\n      {VALUE}\n",
    "folded": "key: >-\n  {}\n".format(VALUE.replace(" && ", " &&\n  ")),
    "plain over lines": "key: {}\n".format(VALUE.replace(" ", "\n  ")),
    "single over lines": "key: '{}'\n".format(VALUE.replace("'", "''").replace(" ", "\n   ")),
    "double over lines": 'key: "{}"\n'.format(VALUE.replace('"', '\\"').replace(" ", "\n\t ")),
    "in a list": f"key: {VALUE}\nlist: [1, 2]\n",
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("word", ["args", "query", "!=", "&&", "name", "==", VALUE])
def test_a_stretch_is_found(form, word):
    text = WRITTEN[form]
    root, found = read_yaml("f", text)
    assert not found
    assert root["key"] == VALUE
    start = VALUE.index(word)
    span = within(root.at["key"], text, VALUE, start, start + len(word))
    there = text[span.start : span.end]
    assert "".join(there.split()).startswith(word[0]) or there.startswith("\\")
    assert text.count("\n", 0, span.start) == span.line - 1
    assert span.column == span.start - (text.rfind("\n", 0, span.start) + 1) + 1
    assert span.end_column == span.end - (text.rfind("\n", 0, span.end) + 1) + 1
    if "\\" not in there and word != VALUE:
        assert there == word


def test_what_does_not_stand_there_is_placed_at_the_whole_scalar():
    root, _ = read_yaml("f", "key: 'in ${param.region}'\n")
    assert within(root.at["key"], "key: 'in ${param.region}'\n", "in eu", 3, 5) == root.at["key"].value_span()


def test_a_key_has_stretches_too():
    root, _ = read_yaml("f", "notes.serach: 1\n")
    span = within(root.at["notes.serach"], "notes.serach: 1\n", "notes.serach", 6, 12, key=True)
    assert (span.column, span.end_column) == (7, 13)


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 40), st.integers(0, 45))
def test_any_text_gives_a_span_of_the_file(written, value, start, end):
    text = f"key: {written}\n"
    root, _ = read_yaml("f", text)
    if root is None or "key" not in root.at:
        return
    span = within(root.at["key"], text, value, start, max(start, end))
    assert 0 <= span.start <= span.end <= len(text)
    assert 1 <= span.line <= span.end_line <= text.count("\n") + 1
