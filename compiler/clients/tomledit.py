"""One edit of a TOML file: a table of tables gets one table, every other line stays; the result is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from meshplan.compiler.importers.documents import load
from meshplan.compiler.importers.model import ImportProblem, Log, Plain

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"[ \t]*\[")


def put_table(text: str, section: str, name: str, value: dict[str, Plain]) -> str:
    """Set `[section.name]`, which replaces that table and its subtables.

    Raises ImportProblem where the text is no TOML, or writes that table in a form that only a person should edit.
    """
    before = load("toml", text, Log())
    tables = before.get(section, {})
    if not isinstance(tables, dict):
        raise _by_hand(section)
    if tables.get(name) == value:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    block = _block(section, name, value, newline)
    lines = text.splitlines(keepends=True)
    ours = list(_ours(lines, section, name))
    if ours:
        first = ours[0][0]
        for start, end in reversed(ours):
            del lines[start:end]
        result = "".join([*lines[:first], block, *lines[first:]])
    else:
        result = text + _gap(text, newline) + block
    _check(result, {**before, section: {**tables, name: value}}, section)
    return result


def _by_hand(section: str) -> ImportProblem:
    message = f"the table `{section}` of this file cannot be edited without touching something else"
    return ImportProblem(1, 1, message, "paste the snippet by hand")


def _check(result: str, wanted: dict[str, Plain], section: str) -> None:
    try:
        after = load("toml", result, Log())
    except ImportProblem:
        raise _by_hand(section) from None
    if after != wanted:
        raise _by_hand(section)


def _gap(text: str, newline: str) -> str:
    if not text.strip():
        return ""
    return newline if text.endswith("\n") else newline * 2


def _block(section: str, name: str, value: dict[str, Plain], newline: str) -> str:
    lines = [f"[{section}.{_key(name)}]", *(f"{_key(key)} = {_value(item)}" for key, item in value.items())]
    return "".join(line + newline for line in lines)


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _string(text)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Plain) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _string(str(value))


def _ours(lines: list[str], section: str, name: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of our table and its subtables; comments in front of the next header belong to that."""
    headers = [(at, path) for at, line in enumerate(lines) if (path := _path(line)) is not None]
    following = [*headers[1:], (len(lines), ())]
    for (start, path), (end, after) in zip(headers, following, strict=False):
        if path[:2] != (section, name):
            continue
        last = end
        while after[:2] != (section, name) and last > start + 1 and lines[last - 1].strip()[:1] in ("", "#"):
            last -= 1
        yield start, last


def _path(line: str) -> tuple[str, ...] | None:
    """Return the key path of a table header, or None for any other line."""
    if not _HEADER.match(line):
        return None
    try:
        data: Plain = load("toml", line, Log())
    except ImportProblem:
        return None
    keys: list[str] = []
    while isinstance(data, dict) and data:
        key, data = next(iter(data.items()))
        keys.append(key)
    return tuple(keys)
