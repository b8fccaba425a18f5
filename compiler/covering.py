"""Texts as they may be shown: whatever could be a secret is covered, and every line stays a line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection
from typing import Final, Literal

from meshplan.compiler.secrets import name_is_secret, value_is_secret

COVER: Final = "•••"

_WORD: Final = re.compile(r"[^\s'\"\[\]{},]+")
_PAIR: Final = re.compile(r"(?P<key>[A-Za-z_][\w.-]*)(?P<is>[\"']?\s*[:=]\s*)(?P<value>[^\s{}\[\],][^,{}\[\]\n]*)")
_JSON: Final = re.compile(
    r"(?P<text>\"(?:[^\"\\\n]|\\.)*\"?)(?P<key>\s*:)?|(?P<comment>//[^\n]*|/\*(?s:.*?)(?:\*/|\Z))"
)
_TOML: Final = re.compile(
    r"(?P<text>\"\"\"(?s:.*?)(?:\"\"\"|\Z)|'''(?s:.*?)(?:'''|\Z)|\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?)"
    r"(?P<key>[ \t]*[=\].])?|(?P<comment>#[^\n]*)"
)


def cover_words(text: str) -> str:
    """Cover what has the shape of a credential, or stands beside a name for one."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    covered = _PAIR.sub(_pair, _WORD.sub(lambda word: COVER if value_is_secret(word[0]) else word[0], line))
    if value_is_secret(covered):
        return line[: len(line) - len(line.lstrip())] + COVER
    return covered


def _pair(found: re.Match[str]) -> str:
    value = COVER if name_is_secret(found["key"], found["value"].strip("'\" ")) else found["value"]
    return f"{found['key']}{found['is']}{value}"


def cover_values(text: str, language: Literal["json", "toml"], known: Collection[str]) -> str:
    """Cover every comment, and every string that is neither a key nor one of ``known``: the file is somebody else's."""
    pattern, read = (_JSON, _json) if language == "json" else (_TOML, _toml)
    return pattern.sub(lambda found: _token(found, read, known), text)


def _token(found: re.Match[str], read: Callable[[str], str | None], known: Collection[str]) -> str:
    whole = found[0]
    value = None if found["text"] is None else read(found["text"])
    harmless = value is not None and (value in known or (found["key"] is not None and not value_is_secret(value)))
    if harmless:
        return whole
    mark = whole[:2] if found["comment"] is not None else whole[:1]
    mark = mark[:1] if mark[:1] == "#" else mark
    closing = '"' if mark == '"' else "'" if mark == "'" else " */" if mark == "/*" else ""
    after = found["key"] or ""
    return mark + COVER + "\n" * (whole.count("\n") - after.count("\n")) + closing + after


def _json(text: str) -> str | None:
    try:
        found: object = json.loads(text, strict=False)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _toml(text: str) -> str | None:
    try:
        found: object = tomllib.loads(f"a = {text}")["a"]
    except ValueError:
        return None
    return found if isinstance(found, str) else None
