"""About how many tokens a text is: a weighted count of characters that needs no vocabulary.

Not a tokenizer. `python bench/tokens.py CORPUS` measures the error against real vocabularies; compiler/tokens.py has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import mul

_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_LOWER_WEIGHT, _BLANKS_WEIGHT = 101, 86
_ASCII: Mapping[str, tuple[bytes, int]] = {
    "space": (b" ", 459),
    "capital": (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 363),
    "digit": (b"0123456789", 679),
    "quote": (b'"', 336),
    "separator": (b",:", 924),
    "joiner": (b"_-", 1203),
    "backslash": (b"\\", 945),
    "bracket": (b"{}[]", 89),
    "mark": (b"!#$%&'()*+./;<=>?@^`|~\x7f" + bytes(range(32)), 529),
}
_BEYOND: Mapping[str, tuple[bytes, int]] = {
    "latin": (bytes(range(0xC2, 0xCC)), 1874),
    "alphabet": (bytes(range(0xCC, 0xE0)), 302),
    "indic": (b"\xe0\xe1", 306),
    "sign": (b"\xe2", 334),
    "cjk": (bytes(range(0xE3, 0xEE)), 679),
    "rare": (bytes(range(0xEE, 0xF5)), 1416),
}
CLASSES: Mapping[str, tuple[bytes, int]] = {**_ASCII, **_BEYOND}
"""Bytes of a class (beyond ASCII: the first byte of a character), and thousandths of a token for each.

The weights, with those of lower case and of pairs of blanks (indentation is cheap), come from `python bench/tokens.py CORPUS`
over 1,375 tools of 95 servers.
"""
WEIGHTS = (_LOWER_WEIGHT, _BLANKS_WEIGHT, *(weight for _, weight in CLASSES.values()))
"""Thousandths of a token for each number of ``class_counts``."""
_ZEROS = (0,) * len(_BEYOND)


def _classes() -> bytes:
    table = bytearray(256)
    for number, (members, _) in enumerate(CLASSES.values(), start=1):
        for byte in members:
            table[byte] = number
    return bytes(table)


_CLASS_OF = _classes()
_NUMBERS = range(2, len(_ASCII) + 1)
_NUMBERS_BEYOND = range(len(_ASCII) + 1, len(CLASSES) + 1)


def class_counts(text: str) -> tuple[int, ...]:
    """How many lower-case letters, pairs of blanks, and characters of each of ``CLASSES`` there are."""
    raw = text.encode("utf-8", "replace")
    rest = raw.translate(_CLASS_OF, _LOWER)
    pairs = raw.count(b"  ")
    beyond = _ZEROS if text.isascii() else tuple(map(rest.count, _NUMBERS_BEYOND))
    return (len(raw) - len(rest), pairs, rest.count(1) - 2 * pairs, *map(rest.count, _NUMBERS), *beyond)


def thousandths(text: str) -> int:
    """Thousandths of a token. Linear in the characters, so that the parts of a text add up."""
    return sum(map(mul, WEIGHTS, class_counts(text)))


def rounded(count: int) -> int:
    """Whole tokens of so many thousandths."""
    return (count + 500) // 1000


def estimate(text: str) -> int:
    """About how many tokens ``text`` is; an integer that is the same on every machine."""
    return rounded(thousandths(text))
