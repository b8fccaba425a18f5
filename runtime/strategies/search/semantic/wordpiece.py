"""Text to the token numbers that MiniLM was trained on: BERT's lower-casing WordPiece, over the vocabulary beside this file.

The vocabulary is that of `bert-base-uncased` (Google, Apache-2.0). Devlin et al., 2018, section 3; the algorithm is
longest match first, Wu et al., 2016, section 4.1.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

_UNKNOWN, _BEGIN, _END = "[UNK]", "[CLS]", "[SEP]"
_LONGEST_WORD: Final = 100
_CJK = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f"
)
_ASCII_MARKS = r"!-/:-@\[-`{-~"
_PIECES = re.compile(rf"[{_CJK}]|[{_ASCII_MARKS}]|[^\s{_CJK}{_ASCII_MARKS}]+")


@cache
def vocabulary() -> dict[str, int]:
    """Piece to number."""
    text = files(__package__ or "").joinpath("vocab.txt").read_text(encoding="utf-8")
    return {piece: number for number, piece in enumerate(text.rstrip("\n").split("\n"))}


def tokens(text: str, most: int) -> list[int]:
    """The numbers of a text, begin and end included, at most ``most`` of them."""
    known = vocabulary()
    found: list[int] = []
    for word in _words(text):
        found += _split(word, known)
        if len(found) >= most - 2:
            break
    return [known[_BEGIN], *found[: most - 2], known[_END]]


def _words(text: str) -> list[str]:
    kept = "".join(" " if char in "\t\n\r" else char for char in text if char in "\t\n\r" or not _control(char))
    plain = "".join(char for char in unicodedata.normalize("NFD", kept.lower()) if unicodedata.category(char) != "Mn")
    return [part for word in _PIECES.findall(plain) for part in _marks_apart(word)]


def _control(char: str) -> bool:
    return char in "\0\ufffd" or unicodedata.category(char).startswith("C")


def _marks_apart(word: str) -> list[str]:
    """Marks beyond ASCII stand by themselves, too."""
    if word.isascii():
        return [word]
    parts = [""]
    for char in word:
        if unicodedata.category(char).startswith("P"):
            parts += [char, ""]
        else:
            parts[-1] += char
    return [part for part in parts if part]


def _split(word: str, known: dict[str, int]) -> list[int]:
    """The longest known piece again and again; a word that has none somewhere is unknown as a whole."""
    if len(word) > _LONGEST_WORD:
        return [known[_UNKNOWN]]
    found: list[int] = []
    start = 0
    while start < len(word):
        ends = range(len(word), start, -1)
        end = next((end for end in ends if ("##" if start else "") + word[start:end] in known), None)
        if end is None:
            return [known[_UNKNOWN]]
        found.append(known[("##" if start else "") + word[start:end]])
        start = end
    return found
