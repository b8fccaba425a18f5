"""Sentences as runs of words: ours are plain, whatever a file or an upstream said is code, and no renderer mixes them up."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import JsonValue

from meshplan.compiler.diff.model import Place
from meshplan.compiler.render.view import visible

NAME = 120
PROSE = 300
VALUE = 160
_SAFE = re.compile(r"[\w.:/@*+-]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A run of printable text; ``code`` where it is not ours."""

    text: str
    code: bool = False


Phrase = tuple[Word, ...]


def quoted(text: str, limit: int = NAME) -> Word:
    """Foreign text with invisible characters made visible, cut at ``limit`` characters."""
    return Word(short(text, limit) or '""', code=True)


def short(text: str, limit: int) -> str:
    """Visible text of about ``limit`` characters at most; what is cut is counted."""
    if len(text) <= limit:
        return visible(text)
    return f"{visible(text[:limit])}… ({len(text):,} characters)"


def phrase(*parts: str | Word | Phrase) -> Phrase:
    """One sentence out of our own words (``str``), foreign ones and other sentences."""
    words: list[Word] = []
    for part in parts:
        if isinstance(part, str):
            words.append(Word(part))
        elif isinstance(part, Word):
            words.append(part)
        else:
            words.extend(part)
    return tuple(word for word in words if word.text)


def listed(phrases: list[Phrase], last: str = " and ", between: str = ", ") -> Phrase:
    """`a, b and c`."""
    found: list[str | Phrase] = []
    for index, one in enumerate(phrases):
        if index:
            found.append(last if index == len(phrases) - 1 else between)
        found.append(one)
    return phrase(*found)


def marked(text: str, limit: int = PROSE) -> Phrase:
    """A message with its foreign parts in backticks; a backtick too many stays one."""
    parts = short(text, limit).split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = [f"{parts[-2]}`{parts[-1]}"]
    return tuple(Word(part, code=bool(index % 2)) for index, part in enumerate(parts) if part)


def at(place: Place | None) -> Phrase:
    """` (file:line)`, or nothing."""
    return phrase(" (", quoted(f"{place.file}:{place.line}"), ")") if place else ()


def value(content: JsonValue) -> Word:
    """A JSON value on one line."""
    return quoted(json.dumps(content, ensure_ascii=False), VALUE)


def foreign(name: str) -> Phrase:
    """A warning where a name has characters that can look like others."""
    if name.isascii():
        return ()
    points = list(dict.fromkeys(f"U+{ord(char):04X}" for char in name if not char.isascii()))
    return phrase(f" (not ASCII: {', '.join(points[:3])}{', …' if points[3:] else ''})")


def plain(sentence: Phrase) -> str:
    """The words alone, foreign ones in backticks where they could be taken for ours."""
    return "".join(_plain(word) for word in sentence)


def _plain(word: Word) -> str:
    if not word.code or _SAFE.fullmatch(word.text):
        return word.text
    return "`" + word.text.replace("`", "\\u0060") + "`"
