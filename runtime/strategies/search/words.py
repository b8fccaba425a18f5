"""From a text to the words that are compared: split where programmers do, lower case, without endings; pure and total."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

STOP = frozenset(
    [
        "a",
        "about",
        "after",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "each",
        "for",
        "from",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "like",
        "may",
        "me",
        "might",
        "must",
        "my",
        "need",
        "no",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "please",
        "s",
        "shall",
        "she",
        "should",
        "so",
        "some",
        "such",
        "t",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "us",
        "use",
        "used",
        "using",
        "very",
        "via",
        "want",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "whether",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)
"""Words that say nothing about what a tool does."""

_VOWELS = frozenset("aeiouy")


def stem(word: str) -> str:
    """A word without its English ending, so that `listing`, `listed` and `lists` are the same."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    for ending, instead in _ENDINGS:
        if word.endswith(ending):
            kept = word[: len(word) - len(ending)]
            if len(kept) >= 3 and not _VOWELS.isdisjoint(kept):
                return _tidy(kept + instead, undouble=ending in {"ing", "ed", "er"})
    return _tidy(word, undouble=False)


_ENDINGS: tuple[tuple[str, str], ...] = (
    ("ization", "ize"),
    ("isation", "ize"),
    ("ations", "ate"),
    ("ation", "ate"),
    ("ities", "ity"),
    ("ments", "ment"),
    ("ions", "ion"),
    ("ings", ""),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ies", "y"),
    ("ing", ""),
    ("ed", ""),
    ("ers", ""),
    ("ors", "or"),
    ("er", ""),
)


def _tidy(word: str, *, undouble: bool) -> str:
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    if undouble and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def words(text: str) -> list[str]:
    """The words of a text in order, stemmed, stop words left out; scripts without spaces come as pairs of characters."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [word for part in _PARTS.findall(text) for word in _spoken(part)]


@lru_cache(65_536)
def _spoken(part: str) -> tuple[str, ...]:
    if _CJK.match(part):
        return tuple(part[at : at + 2] for at in range(max(1, len(part) - 1)))
    word = part.lower()
    return () if word in STOP else (stem(word),)
