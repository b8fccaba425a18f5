"""Edits of JSON with comments that change one value and leave every other character where it is."""

from __future__ import annotations

import json
import re
from typing import Final

from meshplan.compiler.importers import jsonc
from meshplan.compiler.importers.model import ImportProblem, Plain

_INDENT: Final = re.compile(r"\n([ \t]+)\S")


def put(text: str, path: tuple[str, str], value: dict[str, Plain]) -> str:
    """Set `section.key`, adding either where it is missing.

    Raises ImportProblem where the text is no JSON object, or the section is something else than an object.
    """
    section, key = path
    root = _object(text, jsonc.parse(text), "the file")
    outer = jsonc.find(root, section)
    if outer is None:
        return _insert(text, root, _member(text, section, {key: value}, _inner_indent(text, root)))
    inside = _object(text, outer.node, f"`{section}`")
    member = jsonc.find(inside, key)
    if member is None:
        return _insert(text, inside, _member(text, key, value, _inner_indent(text, inside)))
    if jsonc.plain(member.node) == value:
        return text
    body = _rendered(text, value, _line_indent(text, member.start))
    return text[: member.node.start] + body + text[member.node.end :]


def append(text: str, section: str, value: dict[str, Plain], *, same: str) -> str:
    """Add an object to a list of the root, unless one there has the same value under the key `same`."""
    root = _object(text, jsonc.parse(text), "the file")
    member = jsonc.find(root, section)
    if member is None:
        return _insert(text, root, _member(text, section, [value], _inner_indent(text, root)))
    if member.node.shape != "array":
        raise _problem(text, member.node.start, f"`{section}` is no list")
    for item in jsonc.items(member.node):
        held = jsonc.plain(item)
        if isinstance(held, dict) and held.get(same) == value[same]:
            return text
    return _insert(text, member.node, _rendered(text, value, _inner_indent(text, member.node)))


def _object(text: str, node: jsonc.Node, what: str) -> jsonc.Node:
    if node.shape != "object":
        raise _problem(text, node.start, f"{what} is no JSON object")
    return node


def _problem(text: str, offset: int, message: str) -> ImportProblem:
    return ImportProblem(*jsonc.position(text, offset), message, "correct the file by hand, or paste the snippet")


def _insert(text: str, node: jsonc.Node, body: str) -> str:
    """Put a member or an item behind the last one, in front of the closing bracket and behind any comment."""
    close = node.end - 1
    at = len(text[:close].rstrip(" \t\r\n"))
    newline = _newline(text)
    tail = text[at:close]
    if "\n" not in tail:
        tail = newline + _line_indent(text, node.start)
    last = _last_end(node)
    head = text[:at] if last is None or node.comma else f"{text[:last]},{text[last:at]}"
    return f"{head}{newline}{_inner_indent(text, node)}{body}{tail}{text[close:]}"


def _last_end(node: jsonc.Node) -> int | None:
    ends = [member.node.end for member in jsonc.members(node)] + [item.end for item in jsonc.items(node)]
    return max(ends, default=None)


def _member(text: str, key: str, value: Plain, indent: str) -> str:
    return f"{json.dumps(key, ensure_ascii=False)}: {_rendered(text, value, indent)}"


def _rendered(text: str, value: Plain, indent: str) -> str:
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text)).split("\n")
    return (_newline(text) + indent).join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _line_indent(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:offset].lstrip("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _inner_indent(text: str, node: jsonc.Node) -> str:
    """Return the indentation of what stands in a collection: its last member's where that begins its line."""
    starts = [member.start for member in jsonc.members(node)] + [item.start for item in jsonc.items(node)]
    if starts:
        line = text[text.rfind("\n", 0, starts[-1]) + 1 : starts[-1]]
        if line and not line.strip(" \t"):
            return line
    return _line_indent(text, node.start) + _unit(text)
