"""JSON with comments and trailing commas as a tree with spans, so that a file can be read and edited in place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from meshplan.compiler.importers.model import ImportProblem, Plain

DEEPEST: Final = 64
LONGEST: Final = 4 * 1024 * 1024

_TRIVIA: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?(?![0-9A-Za-z.])")
_WORD: Final = re.compile(r"(?:true|false|null)\b")


@dataclass(frozen=True, slots=True)
class Node:
    """One value with its span: `start` is its first character, `end` the one after its last."""

    start: int
    end: int
    value: Scalar | tuple[Member, ...] | tuple[Node, ...]
    shape: str  # object | array | scalar
    comma: bool = False  # a trailing comma stands before the closing bracket


@dataclass(frozen=True, slots=True)
class Member:
    """One key of an object, with its value."""

    key: str
    start: int
    node: Node


Scalar = str | int | float | bool | None


def position(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of an offset, both counted from one."""
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def parse(text: str) -> Node:
    """Parse a document.

    Raises ImportProblem where it is not JSON even with comments and trailing commas allowed.
    """
    if len(text) > LONGEST:
        raise ImportProblem(1, 1, "the file is larger than 4 MiB")
    start = _blank(text, 1 if text.startswith("\ufeff") else 0)
    root = _value(text, start, 0)
    end = _blank(text, root.end)
    if end != len(text):
        raise _problem(text, end, "something follows the end of the document")
    return root


def members(node: Node) -> Iterator[Member]:
    """Yield the members of an object, and nothing for any other value."""
    if node.shape == "object" and isinstance(node.value, tuple):
        for item in node.value:
            if isinstance(item, Member):
                yield item


def items(node: Node) -> Iterator[Node]:
    """Yield the items of an array, and nothing for any other value."""
    if node.shape == "array" and isinstance(node.value, tuple):
        for item in node.value:
            if isinstance(item, Node):
                yield item


def find(node: Node, key: str) -> Member | None:
    """Return the member of that name; of duplicates the last, which is the one that readers of JSON take."""
    return next((member for member in reversed(list(members(node))) if member.key == key), None)


def plain(node: Node) -> Plain:
    """Return the value as Python data; of duplicate keys the last one counts."""
    if node.shape == "object":
        return {member.key: plain(member.node) for member in members(node)}
    if node.shape == "array":
        return [plain(item) for item in items(node)]
    return node.value if not isinstance(node.value, tuple) else None


def duplicates(node: Node, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield the path and offset of every key that an earlier key of the same object repeats."""
    seen: set[str] = set()
    for member in members(node):
        here = f"{path}.{member.key}" if path else member.key
        if member.key in seen:
            yield here, member.start
        seen.add(member.key)
        yield from duplicates(member.node, here)
    for index, item in enumerate(items(node)):
        yield from duplicates(item, f"{path}[{index}]")


def _problem(text: str, offset: int, message: str, help: str = "") -> ImportProblem:
    return ImportProblem(*position(text, offset), message, help)


def _blank(text: str, at: int) -> int:
    match = _TRIVIA.match(text, at)
    end = match.end() if match else at
    if text.startswith("/*", end):
        raise _problem(text, end, "this comment never ends", "close it with `*/`")
    return end


def _value(text: str, at: int, depth: int) -> Node:
    if depth > DEEPEST:
        raise _problem(text, at, f"values are nested more than {DEEPEST} deep")
    char = text[at : at + 1]
    if char == "{":
        return _object(text, at, depth)
    if char == "[":
        return _array(text, at, depth)
    if char == '"':
        value, end = _string(text, at)
        return Node(at, end, value, "scalar")
    if match := _NUMBER.match(text, at):
        return Node(at, match.end(), _number(match.group()), "scalar")
    if match := _WORD.match(text, at):
        return Node(at, match.end(), {"true": True, "false": False, "null": None}[match.group()], "scalar")
    if not char:
        raise _problem(text, at, "the file ends where a value is expected")
    raise _problem(text, at, "this is not a JSON value", "strings need double quotes")


def _number(lexeme: str) -> int | float:
    return float(lexeme) if set(lexeme) & set(".eE") else int(lexeme)


def _string(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise _problem(text, at, "this string never ends, or holds an escape or a character that JSON does not allow")
    value = str(json.loads(match.group()))
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise _problem(text, at, "this string holds half of a surrogate pair")
    return value, match.end()


def _object(text: str, start: int, depth: int) -> Node:
    found: list[Member] = []
    at, comma = _blank(text, start + 1), False
    while text[at : at + 1] != "}":
        if found and not comma:
            raise _problem(text, at, "a comma or `}` is expected here")
        if text[at : at + 1] != '"':
            raise _problem(text, at, "a key in double quotes or `}` is expected here")
        key, end = _string(text, at)
        colon = _blank(text, end)
        if text[colon : colon + 1] != ":":
            raise _problem(text, colon, "a colon is expected after this key")
        node = _value(text, _blank(text, colon + 1), depth + 1)
        found.append(Member(key, at, node))
        at, comma = _comma(text, node.end)
    return Node(start, at + 1, tuple(found), "object", comma)


def _array(text: str, start: int, depth: int) -> Node:
    found: list[Node] = []
    at, comma = _blank(text, start + 1), False
    while text[at : at + 1] != "]":
        if found and not comma:
            raise _problem(text, at, "a comma or `]` is expected here")
        node = _value(text, at, depth + 1)
        found.append(node)
        at, comma = _comma(text, node.end)
    return Node(start, at + 1, tuple(found), "array", comma)


def _comma(text: str, at: int) -> tuple[int, bool]:
    at = _blank(text, at)
    if text[at : at + 1] == ",":
        return _blank(text, at + 1), True
    return at, False
