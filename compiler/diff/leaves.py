"""The leaves in which two JSON values differ, as details of a change: bounded in number and in length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

from pydantic import JsonValue

from meshplan.compiler.diff.compat_verdict import at
from meshplan.compiler.diff.model import Detail
from meshplan.schemas import jsontext

MAX_LEAVES: Final = 40
MAX_TEXT: Final = 400
"""Characters of a text that are kept, from shortly before the first difference on."""
_BEFORE: Final = 60
_ABSENT: Final = object()


def leaves(before: object, after: object, path: str) -> Iterator[Detail]:
    """The first ``MAX_LEAVES`` differences by JSON pointer under ``path``; a last detail says that there are more."""
    found = list(islice(_walk(before, after, path), MAX_LEAVES + 1))
    yield from found[:MAX_LEAVES]
    if len(found) > MAX_LEAVES:
        yield Detail(f"{path}/…", None, "more that differs is not shown")


def _walk(before: object, after: object, path: str) -> Iterator[Detail]:
    pending: list[tuple[str, object, object]] = [(path, before, after)]
    while pending:
        here, old, new = pending.pop()
        pairs = _parts(old, new)
        if pairs is not None:
            pending.extend((at(here, name), one, other) for name, one, other in reversed(pairs))
        elif _text(old) != _text(new):
            yield Detail(here.removeprefix("/"), _kept(old, new), _kept(new, old))


def _parts(old: object, new: object) -> list[tuple[str, object, object]] | None:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        left, right = cast("Mapping[str, object]", old), cast("Mapping[str, object]", new)
        names = sorted({*left, *right})
        return [(name, left.get(name, _ABSENT), right.get(name, _ABSENT)) for name in names]
    if isinstance(old, list) and isinstance(new, list):
        one, other = cast("list[object]", old), cast("list[object]", new)
        if len(one) != len(other) and all(isinstance(item, str) for item in (*one, *other)):
            return _words(cast("list[str]", one), cast("list[str]", other))
        length = max(len(one), len(other))
        one, other = [*one, *[_ABSENT] * (length - len(one))], [*other, *[_ABSENT] * (length - len(other))]
        return [(str(index), *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    return None


def _words(old: list[str], new: list[str]) -> list[tuple[str, object, object]]:
    """Lists of words such as `required` or `enum`: what came and what went, wherever it stands."""
    before, after = set(old), set(new)
    gone = [("-", word, _ABSENT) for word in old if word not in after]
    come = [("-", _ABSENT, word) for word in new if word not in before]
    return [*gone, *come] or [("order", cast("object", old), cast("object", new))]


def _text(value: object) -> str:
    return "" if value is _ABSENT else jsontext.canonical(value)


def _kept(value: object, other: object) -> JsonValue:
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        return _excerpt(value, other if isinstance(other, str) else "")
    if isinstance(value, float) and not math.isfinite(value):
        return jsontext.canonical(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = jsontext.canonical(value)
    return cast("Any", value) if len(text) <= MAX_TEXT else _excerpt(text, "")


def _excerpt(text: str, other: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    first = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    start = max(0, first - _BEFORE)
    shown = text[start : start + MAX_TEXT]
    return f"{'…' if start else ''}{shown}{'…' if start + MAX_TEXT < len(text) else ''} ({len(text)} characters)"
