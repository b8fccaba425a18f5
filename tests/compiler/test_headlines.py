"""The house rules for texts, over everything that the compiler says about the case files."""

import re

import pytest
from corpus import compiled

ACRONYMS = r"(?:YAML|JSON|MESH|URL|URI|HTTP|JWT|OIDC|CEL|MCP|OAuth|UTF)\b"
SAID = sorted(
    {
        (kind, text)
        for c in compiled().values()
        for d in c.diagnostics
        for kind, text in (("message", d.message), ("help", d.help), *(("label", label.text) for label in d.labels))
        if text
    }
)


@pytest.mark.parametrize("kind", ["message", "help", "label"])
def test_texts_begin_small_and_end_without_a_period(kind):
    wrong = [
        text
        for said, text in SAID
        if said == kind
        and (
            re.match(rf"(?!{ACRONYMS})[A-Z]", text) or text.endswith((".", "!")) or "\n" in text or text != text.strip()
        )
    ]
    assert wrong == []


def test_headlines_name_no_type_of_ours_and_keep_advice_apart():
    heads = [text for kind, text in SAID if kind == "message"]
    assert [
        text for text in heads if re.search(r"\b(dict|NoneType|MapNode|SeqNode|pydantic|ValueError|BaseModel)\b", text)
    ] == []
    assert [text for text in heads if "did you mean" in text] == []


def test_quotes_are_backticks_in_pairs_unless_a_file_brings_its_own():
    odd = [text for kind, text in SAID if kind == "message" and text.count("`") % 2]
    assert odd == []


def test_one_place_has_one_error_of_a_kind():
    for name, c in compiled().items():
        places = [(d.span, d.code) for d in c.diagnostics]
        assert (name, len(places)) == (name, len(set(places)))
