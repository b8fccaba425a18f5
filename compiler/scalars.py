"""Plain YAML scalars: the YAML 1.2 core schema, and the spellings that other readers take for something else."""

from __future__ import annotations

import re
from typing import NamedTuple

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_YAML_11_BOOL = frozenset({"yes", "no", "on", "off", "y", "n"})
_FIRST = frozenset("0123456789-+.~nNtTfFyYoO")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_LONG_INT = re.compile(r"[-+]?[1-9][0-9]{18,}\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,15}\Z")
_FLOAT = re.compile(r"[-+]?([0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40})\Z")
_OCTAL = re.compile(r"[-+]?0o?[0-9_]+\Z")
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+\Z")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z")
_UNDERSCORED = re.compile(r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


class Ambiguity(NamedTuple):
    """How else a scalar may be read, and what to write instead."""

    reading: str
    help: str


def plain_value(text: str) -> str | int | float | bool | None:
    """The YAML 1.2 core value of a plain scalar that is not ambiguous."""
    if text and text[0] not in _FIRST:
        return text
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.match(text):
        return int(text)
    if _HEX.match(text):
        return int(text, 16)
    if _FLOAT.match(text):
        return float(text)
    return text


def ambiguity(text: str) -> Ambiguity | None:
    """Why a plain scalar must be quoted, or ``None``."""
    if not text or text[0] not in _FIRST:
        return None
    if text.lower() in _YAML_11_BOOL:
        return Ambiguity("a truth value in YAML 1.1, text in YAML 1.2", "write `true` or `false`, or quote the text")
    if text[0].isalpha() or _INT.match(text):
        return None
    for pattern, reading, help in _READINGS:
        if pattern.match(text):
            return Ambiguity(reading, help)
    return None


_TEXT = "put it in quotes"
_READINGS = (
    (_OCTAL, "a number in base 8 or base 10", "quote it if it is text, or write the number without a leading zero"),
    (_EXPONENT, "a number in YAML 1.2, text in YAML 1.1", "quote it if it is text, or write all digits of the number"),
    (_SEXAGESIMAL, "a number in base 60 in YAML 1.1, text in YAML 1.2", _TEXT),
    (_UNDERSCORED, "a number in YAML 1.1, text in YAML 1.2", "quote it if it is text, or write the digits only"),
    (_LONG_INT, "a number that not every reader keeps whole", _TEXT),
    (_NOT_FINITE, "not a finite number", _TEXT),
)
