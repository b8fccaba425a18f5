"""Texts of an upstream that models read: characters that nobody sees, and sentences that give orders.

The second is a heuristic: it knows a few turns of phrase by which tool descriptions have been used to steer models, and
a text that avoids them is not thereby harmless.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

_PLAIN: Final = frozenset("\n\r\t")
_JOINERS: Final = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Joiners and variation selectors, which emoji and several scripts need."""

_ORDERS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|other|all)\b[^.\n]{0,20}\b(?:instruction|prompt|rule|message|tool)s?",
        r"\b(?:do not|don't|never)\s+(?:tell|inform|mention|reveal|show|notify|alert)\b[^.\n]{0,40}\buser",
        r"\bwithout\s+(?:telling|informing|notifying|asking)\s+(?:the\s+)?user",
        r"<\s*/?\s*(?:important|system|instructions?|secret|admin)\s*>",
        r"\b(?:before|after|instead of|whenever)\s+(?:using|calling|invoking|you (?:use|call))\b[^.\n]{0,60}\b(?:you must|always|first (?:read|call|send))\b",
        r"\byou (?:must|should|are required to) (?:always |first )?(?:read|send|include|pass|forward|upload|copy)\b[^.\n]{0,60}\b(?:file|secret|token|password|credential|key|conversation|history|env)",
        r"\b(?:system|developer) prompt\b",
        r"(?:~/\.ssh|id_rsa|\.aws/credentials|/etc/passwd|\.env\b)[^\n]{0,60}\b(?:content|read|include|pass)|\b(?:read|send|include|pass)\b[^\n]{0,60}(?:~/\.ssh|id_rsa|\.aws/credentials|/etc/passwd)",
    )
)
_MOST: Final = 4
_LONG: Final = 60
_DEPTH: Final = 32


def texts_of(definition: Mapping[str, Any]) -> list[str]:
    """Every title and description in a definition, those of arguments included."""
    found: list[str] = []
    pending: list[tuple[Any, int]] = [(definition, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > _DEPTH:
            continue
        if isinstance(node, Mapping):
            entries = cast("Mapping[str, Any]", node)
            found += [text for name in ("title", "description") if isinstance(text := entries.get(name), str)]
            pending += [(item, depth + 1) for item in entries.values()]
        elif isinstance(node, list):
            pending += [(item, depth + 1) for item in cast("list[Any]", node)]
    return found


def hidden_in(texts: Iterable[str]) -> list[str]:
    """The code points that cannot be seen, as `U+200B`, each once."""
    found = {char for text in texts if not (text.isascii() and text.isprintable()) for char in text if _unseen(char)}
    return [f"U+{ord(char):04X}" for char in sorted(found)]


def _unseen(char: str) -> bool:
    if char in _PLAIN or char in _JOINERS:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") or "\U000e0100" <= char <= "\U000e01ef"


def instructions_in(texts: Iterable[str]) -> list[str]:
    """The turns of phrase that look like orders to a model, a few of them."""
    found = [match.group()[:_LONG] for text in texts for pattern in _ORDERS if (match := pattern.search(text))]
    return list(dict.fromkeys(found))[:_MOST]
