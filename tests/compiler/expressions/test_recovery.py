"""Several mistakes of one expression are told together, and one slip is told once."""

from __future__ import annotations

import pytest

from meshplan.compiler.expressions import compile_expression, from_schema, principal_type
from meshplan.compiler.expressions.reading import MOST

ENV = {
    "args": from_schema(
        {
            "type": "object",
            "properties": {
                "owner": {"type": "string"},
                "count": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["owner", "count", "tags"],
            "additionalProperties": False,
        }
    ),
    "principal": principal_type(["eng"], ["ci"], ["portal"]),
}


def errors(text: str) -> list[str]:
    ir, problems = compile_expression(text, ENV)
    found = [text[p.start : p.end] for p in problems if p.level == "error"]
    assert (ir is None) == bool(found)
    return found


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("args.count = 1 && args.owner = 'a'", ["=", "="]),
        ("args.count == && args.onwer == 'a' && args.count ==", ["&&", "onwer", "="]),
        ("args.count == 1 and args.owner == 'a' or true", ["and", "or"]),
        ("not args.tags && args.count == ", ["not", " "]),
        ("size(args.tags args.tags) > 1 && foo(1) && len(args.tags) > 0", ["args", "foo", "len"]),
        ("args.owner in ['a' 'b', , 'c'] && args.nope == 1", ["'b'", ",", "nope"]),
        ("args.tags.all(t t == 'a') && if == 1 && nobody.here", ["t", "if", "nobody"]),
        ("args.?owner == 'a' && b'x' == args.owner && 12abc == 1", ["?", "b", "12a"]),
        (r"args.owner == '\q' && args.owner == '\z'", [r"\q", r"\z"]),
        ("{'a' 1, 'b': }.a == 1", ["1", "}"]),
        ("(args.count == ) && (args.owner == )", [")", ")"]),
    ],
)
def test_every_mistake_is_told_at_its_place(text: str, wrong: list[str]) -> None:
    assert errors(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("(args.count == 1 && args.owner == 'a'", ["'"]),
        ("args.count == 1) && args.owner == 'a'", [")"]),
        ("args.owner == 'a && args.count == 1", ["'a && args.count == 1"]),
        ("args.owner == \u201ca\u201d && args.count == 1", ["\u201c"]),
        ("foo(1, args.", ["."]),
        ("args.tags.exists(t, t.startsWith'a')) && args.count == 1", ["'a'"]),
        ("args.count > 1 ? args.count < 5 args.count > 2", ["args"]),
        ("args.count & 1", ["&"]),
    ],
)
def test_what_only_follows_is_not_told(text: str, wrong: list[str]) -> None:
    assert errors(text) == wrong


def test_no_more_than_a_handful() -> None:
    assert len(errors(" && ".join(["args.count = 1"] * 20))) == MOST


SOUND = [
    "args.owner == 'acme' && (args.count > 3 || 'x' in args.tags)",
    "args.tags.exists(t, t.startsWith('a')) && has(args.owner) && !('eng' in principal.teams)",
    "size(args.tags) > 2 ? args.count < 5 : args.owner in ['a', 'b']",
]


@pytest.mark.parametrize("text", SOUND)
def test_one_lost_character_is_one_error(text: str) -> None:
    assert errors(text) == []
    twice = [lost for at in range(len(text)) if len(errors(lost := text[:at] + text[at + 1 :])) > 1]
    # `args.ownerin ['a', 'b']` reads as an index into a field that is not there
    assert [lost for lost in twice if "ownerin" not in lost] == []
