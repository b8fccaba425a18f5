"""JSON of the data path: the strict reading of ``schemas.jsontext``, several times faster where that is provably the same."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from meshplan.schemas import jsontext

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Compact JSON of a tree that was read strictly: integers exact, no NaN in it."""
_BLANK_COLON = re.compile(rb"[ \t\n\r]:")


def parse(text: bytes, depth: int = jsontext.MAX_DEPTH) -> Any:
    """As ``jsontext.parse``, with at most ``depth`` levels of nesting; raises ``JsonTextError``.

    msgspec keeps the last of two equal names. Where no blank stands before a colon, each member brings one ``":``
    with it, so a text with as many of these as the tree has names holds no name twice. Any other text is read again.
    """
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > depth:
        jsontext.refuse_depth(text.decode("utf-8", errors="replace"), limit=depth)
    if b"\\u" not in text and brackets <= jsontext.MAX_DEPTH:
        try:
            value = _decode(text)
        except (ValueError, RecursionError):
            return jsontext.parse(text)
        if _names(value) == text.count(b'":') and not _BLANK_COLON.search(text):
            return value
    return jsontext.parse(text)


def _names(value: Any) -> int:
    """How many object members a tree has."""
    found = 0
    stack: list[Any] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            found += len(members)
            stack.extend(members.values())
        elif isinstance(node, list):
            stack.extend(cast("list[Any]", node))
    return found
