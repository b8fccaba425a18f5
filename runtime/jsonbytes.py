"""JSON of the data path: the strict reading of ``schemas.jsontext``, several times faster where that is provably the same."""

from __future__ import annotations

from typing import Any

import jiter
import msgspec

from meshplan.schemas import jsontext

_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
"""Compact JSON of a tree that was read strictly: integers exact, no NaN in it."""


def parse(text: bytes, depth: int = jsontext.MAX_DEPTH) -> Any:
    """As ``jsontext.parse``, with at most ``depth`` levels of nesting; raises ``JsonTextError``.

    msgspec reads numbers as we do, but keeps the last of two equal names and takes lone surrogates; jiter refuses both.
    What either refuses is read again, slowly, and refused with the reason.
    """
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > depth:
        jsontext.refuse_depth(text.decode("utf-8", errors="replace"), limit=depth)
    if brackets <= jsontext.MAX_DEPTH:
        try:
            jiter.from_json(text, catch_duplicate_keys=True, cache_mode="keys")
            return _decode(text)
        except (ValueError, RecursionError):
            pass
    return jsontext.parse(text)
