"""Scalars and small collections as YAML text that every reader of YAML 1.1 and 1.2 takes for the same value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.model import Plain

_PLAIN: Final = re.compile(r"(?:[A-Za-z/_]|\./)[A-Za-z0-9_./@+\-]*|--?[A-Za-z][A-Za-z0-9_\-]*|[1-9][0-9]*(?:ms|s|m|h)")
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~/%+@:\-]*[A-Za-z0-9/]")
_TRAPS: Final = frozenset(re.findall(r"\S+", "y n yes no on off true false null none nan inf"))
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}
_WIDTH: Final = 100


def text(value: str) -> str:
    """Return a string as one scalar on one line: bare where that is safe, otherwise in double quotes."""
    safe = _PLAIN.fullmatch(value) or _URL.fullmatch(value)
    if safe and value.lower() not in _TRAPS and not value.endswith(":"):
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char == " " or (char.isprintable() and char != "\ufeff"):
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: Plain) -> str:
    """Return a value in flow style on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return text(value) if isinstance(value, str) else repr(value)


def block(value: Mapping[str, Plain], indent: int) -> list[str]:
    """Return a mapping in block style, one line a key, with small inner collections in flow style."""
    lines: list[str] = []
    for key, item in value.items():
        line = f"{' ' * indent}{text(key)}: {flow(item)}"
        if len(line) <= _WIDTH or not isinstance(item, (dict, list)) or not item:
            lines.append(line)
            continue
        lines.append(f"{' ' * indent}{text(key)}:")
        if isinstance(item, dict):
            lines += block(item, indent + 2)
        else:
            lines += [f"{' ' * (indent + 2)}- {flow(part)}" for part in item]
    return lines
