"""How many tokens a call took: as its result says, where the price knows how to read that, else counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from meshplan.runtime import passed
from meshplan.runtime.shapes import items, members, text
from meshplan.schemas import jsontext
from meshplan.schemas.budgets import Tokens
from meshplan.schemas.expr import ExprError, Program, evaluate
from meshplan.schemas.tokens import estimate

INPUT: Final = ("input_tokens", "inputTokens", "prompt_tokens", "promptTokens")
OUTPUT: Final = ("output_tokens", "outputTokens", "completion_tokens", "completionTokens")
"""What servers call the two numbers of a ``usage``."""

MOST: Final = 10**9
"""Tokens of one call; a server that says more says nothing."""


def tokens_of(usage: Program | None, arguments: Mapping[str, Any], result: dict[str, Any] | bytes) -> Tokens:
    """What a result says, or about what its text and the arguments come to."""
    tree = passed.read(result) if isinstance(result, bytes) else result
    said = None if usage is None else _said(usage, arguments, tree)
    return said or Tokens(estimate(jsontext.canonical(dict(arguments))), estimate(_shown(tree)))


def _said(usage: Program, arguments: Mapping[str, Any], tree: dict[str, Any]) -> Tokens | None:
    try:
        found = members(evaluate(usage, {"result": _value(tree), "args": dict(arguments)}))
    except ExprError:
        return None
    if found is None:
        return None
    given, made = _number(found, INPUT), _number(found, OUTPUT)
    return None if given is None and made is None else Tokens(given or 0, made or 0)


def _number(found: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = found.get(name)
        if type(value) is int and 0 <= value <= MOST:
            return value
    return None


def _value(tree: dict[str, Any]) -> Any:
    """The tool's result as expressions see it: structured, or the JSON of its one text."""
    structured = members(tree.get("structuredContent"))
    if structured is not None:
        return structured
    blocks = items(tree.get("content"))
    only = text((members(blocks[0]) or {}).get("text")) if len(blocks) == 1 else None
    try:
        return {} if only is None else jsontext.parse(only)
    except ValueError:
        return {}


def _shown(tree: dict[str, Any]) -> str:
    """The text that a model gets to see."""
    blocks = [members(block) or {} for block in items(tree.get("content"))]
    texts = [text(block.get("text")) or text((members(block.get("resource")) or {}).get("text")) for block in blocks]
    shown = "\n".join(found for found in texts if found)
    structured = tree.get("structuredContent")
    return shown or ("" if structured is None else json.dumps(structured, ensure_ascii=False))
