"""Makes a report from an untrusted run harmless as a comment of a bot: no mention, link, image, markup or command in it works."""

from __future__ import annotations

import html
import re
import unicodedata

LIMIT = 65_536
"""Characters of a comment, counted as UTF-16 does, which is never less than GitHub counts."""
BREAK = "\u200b"
"""Invisible, without width; put where it keeps two characters from meaning something together."""
_TAGS = r"(?:details|summary|code)>"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"<(?!/?{_TAGS})"), "<"),
    (re.compile("@"), "@"),
    (re.compile(r"(?<!&)#(?=[\w&\\])|(?<=&)#(?!\d+;|[xX][0-9a-fA-F]+;)"), "#"),
    (re.compile(r"\b(GH)(?=-\d)", re.IGNORECASE), r"\1"),
    (re.compile(r"\](?=[(:\[])"), "]"),
    (re.compile(r":(?=//)"), ":"),
    (re.compile(r"\b(www)(?=\.)", re.IGNORECASE), r"\1"),
    (re.compile(r"^([ \t]*)(?=/)", re.MULTILINE), r"\1"),
)
_ENTITY = re.compile(r"&#?\w+;")


def defang(text: str) -> str:
    """The same to the eye, with nothing in it that acts; `details`, `summary` and `code` stay tags."""
    kept = "".join(char for char in text.replace("\r\n", "\n") if char in "\n\t" or not _hidden(char))
    kept = _ENTITY.sub(_entity, kept)
    for pattern, before in _RULES:
        kept = pattern.sub(before + BREAK, kept)
    return kept


def _hidden(char: str) -> bool:
    """Controls, what turns the direction of text, and other line ends."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _entity(match: re.Match[str]) -> str:
    """GitHub looks for mentions and references after entities are read."""
    entity = match.group()
    meant = html.unescape(entity)
    return f"&{BREAK}{entity[1:]}" if set(meant) & {"@", "#"} or any(map(_hidden, meant)) else entity


def fitting(text: str, room: int) -> tuple[str, bool]:
    """The whole lines of ``text`` that fit into ``room``, and whether that is all of it."""
    if length(text) <= room:
        return text, True
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        room -= length(line)
        if room < 0:
            break
        kept.append(line)
    return "".join(kept), False


def length(text: str) -> int:
    """Characters as UTF-16 counts them."""
    return len(text.encode("utf-16-le")) // 2
