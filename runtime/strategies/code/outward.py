"""A program's values on their way out of the sandbox: JSON of a bounded size, however the values are folded."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final

import pydantic_monty as monty

MAX_DEPTH: Final = 100
"""Levels of nesting that a value may have."""


class NotJsonError(ValueError):
    """A value that cannot leave the sandbox."""


def bounded(value: Any, limit: int) -> str:
    """The value as compact JSON of at most ``limit`` bytes; raises ``NotJsonError`` for anything else."""
    parts: list[str] = []
    size = 0
    try:
        for part in _ENCODER.iterencode(value):
            size += len(part)
            if size > limit:
                raise NotJsonError(f"more than {limit} bytes of JSON")
            parts.append(part)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, NotJsonError) else NotJsonError(str(error)) from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except MemoryError:
        raise NotJsonError("too large") from None
    text = "".join(parts)
    if len(text.encode()) > limit:
        raise NotJsonError(f"more than {limit} bytes of JSON")
    if _deepest(text) > MAX_DEPTH:
        raise NotJsonError("nested too deeply")
    return text


def _deepest(text: str) -> int:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    return max(accumulate(_STEP.get(character, 0) for character in _STRING.sub("", text)))


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_STEP: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def _refuse(value: object) -> object:
    if callable(isoformat := getattr(value, "isoformat", None)):
        return isoformat()
    name = value.name if isinstance(value, monty.MontyClassProxy) else type(value).__name__
    raise NotJsonError(f"a value of type `{name}` is not JSON")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse)
