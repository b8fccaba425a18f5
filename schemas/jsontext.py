"""JSON as text that loses nothing: duplicate keys refused, number lexemes kept, one canonical form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Self, cast

import jiter
import msgspec

MAX_DEPTH = 128
"""Nesting that is still read; deeper text is refused rather than recursed into."""


class JsonTextError(ValueError):
    """Text that is not JSON as we read it (RFC 8259 plus I-JSON's rules on names and strings, RFC 7493)."""


class Number(float):
    """A JSON number with a fraction or exponent, with the characters it was written with."""

    __slots__ = ("lexeme",)
    lexeme: str

    def __new__(cls, lexeme: str) -> Self:
        """Read ``lexeme``; values beyond a double keep their characters and compare as infinite."""
        number = super().__new__(cls, lexeme)
        number.lexeme = lexeme
        return number


class TooDeepError(JsonTextError):
    """Nesting beyond the bound: refused before anybody recurses into it."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonTextError(f"duplicate key `{twice}`")
    return found


def _constant(name: str) -> Any:
    raise JsonTextError(f"`{name}` is not a JSON number")


def _finite(lexeme: str) -> float:
    number = float(lexeme)
    if number in (float("inf"), float("-inf")):
        raise JsonTextError(f"number `{lexeme[:40]}` is beyond a double")
    return number


def parse(text: str | bytes, *, exact: bool = False) -> Any:
    """Read one JSON value.

    ``exact`` keeps every fractional number as ``Number`` (its own characters); otherwise it is a float and must be
    finite. Raises ``JsonTextError`` for malformed text, duplicate keys at any depth, NaN and Infinity, lone surrogates, bad
    UTF-8, integers of more than 4,300 digits, and nesting beyond ``MAX_DEPTH``.
    """
    number: Callable[[str], float] = Number if exact else _finite
    try:
        source = text.decode("utf-8") if isinstance(text, bytes) else text
        refuse_depth(source)
        value: Any = json.loads(source, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=number)
    except JsonTextError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonTextError(str(error) or "malformed JSON") from None
    if "\\u" in source or "\\U" in source:
        _refuse_surrogates(value)
    return value


_decode = msgspec.json.Decoder().decode


def quick(text: bytes, depth: int = MAX_DEPTH) -> Any:
    """As ``parse``, several times as fast where the text is fine, with at most ``depth`` levels of nesting.

    msgspec reads numbers as we do, but keeps the last of two equal names and takes lone surrogates; jiter refuses both.
    What either refuses is read again, slowly, and refused with the reason.
    """
    if text.count(b"[") + text.count(b"{") > min(depth, MAX_DEPTH):
        refuse_depth(text.decode("utf-8", errors="replace"), limit=min(depth, MAX_DEPTH))
    try:
        jiter.from_json(text, catch_duplicate_keys=True, cache_mode="keys")
        return _decode(text)
    except (ValueError, RecursionError):
        return parse(text)


_STRING = re.compile(rb'"[^"]*"?')
_NO_BRACKET = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def refuse_depth(source: str, *, below: int = 0, limit: int = MAX_DEPTH) -> None:
    """Raise ``TooDeepError`` where JSON text that stands ``below`` so many levels goes deeper than ``limit``."""
    most = limit - below
    if source.count("[") + source.count("{") <= most:
        return
    plain = source.replace("\\\\", "").replace('\\"', "")
    brackets = _STRING.sub(b"", plain.encode("utf-8", errors="replace").translate(None, _NO_BRACKET))
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > most:
        raise TooDeepError(f"nested deeper than {limit} levels")


def _refuse_surrogates(value: Any) -> None:
    for node in _nodes(value):
        if isinstance(node, str):
            try:
                node.encode("utf-8")
            except UnicodeEncodeError:
                raise JsonTextError("a string holds a lone surrogate") from None


def _nodes(value: Any) -> Iterator[Any]:
    """Every value in a tree, object keys included."""
    stack: list[Any] = [value]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, dict):
            members = cast("dict[str, Any]", node)
            stack.extend(members)
            stack.extend(members.values())
        elif isinstance(node, list | tuple):
            stack.extend(cast("list[Any]", node))


def dump(value: Any) -> str:
    """Compact JSON in the order given, integers exact, ``Number`` with its own characters."""
    if not _holds_number(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _write(value, sort=False)


def canonical(value: Any, *, plain: bool = False) -> str:
    """The one spelling of a value: keys sorted by code point, no blanks, number lexemes kept.

    ``plain`` promises that there is no ``Number`` in it, which is then not looked for.
    """
    if plain or not _holds_number(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return _write(value, sort=True)


_WHOLE = msgspec.json.Encoder(order="sorted")


def whole(value: Any) -> bytes:
    """``canonical`` as UTF-8, many times as fast, of a value in which no number has a fraction: that is not looked for.

    Raises ``TypeError`` for what JSON does not have, and ``ValueError`` for lone surrogates.
    """
    return _WHOLE.encode(value)


def digest(text: str | bytes) -> str:
    """``sha256:<hex>`` of the UTF-8 bytes."""
    raw = text.encode("utf-8") if isinstance(text, str) else text
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _holds_number(value: Any) -> bool:
    return any(isinstance(node, Number) for node in _nodes(value))


def _write(value: Any, *, sort: bool) -> str:
    if isinstance(value, Number):
        return value.lexeme
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        names = sorted(members) if sort else list(members)
        return "{" + ",".join(f"{_text(name)}:{_write(members[name], sort=sort)}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_write(item, sort=sort) for item in cast("list[Any]", value)) + "]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
