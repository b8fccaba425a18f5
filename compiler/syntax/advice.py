"""What to write instead: the shapes of the language's small words, and the words that other tools use."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import BaseModel

from meshplan.compiler.syntax.access import GrantEntry, RuleEntry, SubjectRef
from meshplan.compiler.syntax.identity import Subject
from meshplan.compiler.syntax.servers import Tunnel

SHAPES: Final[dict[str, tuple[str, str]]] = {
    "^[A-Za-z_][A-Za-z0-9_]{0,254}$": (
        "the name of an environment variable",
        "it has letters, digits and `_`, and no `$` before it",
    ),
    "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$": ("the name of an HTTP header", "it has no spaces and no colon"),
    "^[a-z][a-z0-9-]{0,62}$": ("a tag", "it has lower-case letters, digits and `-`"),
    "^[a-z][a-z0-9-]{0,62}/v[1-9][0-9]{0,3}$": ("a contract", "write name and version, such as `collection/v1`"),
    "^[A-Z][A-Z0-9_]{0,62}$": ("an operation", "operations are in upper case, such as `LIST`"),
    r"^[a-z][a-z0-9_-]{0,62}\..+$": ("a tool of a server", "write `SERVER.TOOL`"),
    "^[a-z][a-zA-Z0-9_]{0,62}$": (
        "the name of a step",
        "it has letters, digits and `_`, so that `steps.NAME` reads it",
    ),
    "^[a-z0-9][a-z0-9_.-]{0,62}$": ("an id", "it has lower-case letters, digits, `_`, `.` and `-`"),
    "^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$": ("a policy pack", "write `builtin/safe-defaults`"),
    r"^[!#-\[\]-~]{1,100}$": ("a scope", "it has no spaces, quotes and backslashes (RFC 6749, 3.3)"),
    "^[0-9a-f]{12,64}$": ("a fingerprint", "copy it from the diff: 12 to 64 hexadecimal digits"),
    r"^[A-Za-z0-9_.\-/]{1,128}$": ("the name of a tool", "it has letters, digits, `_`, `-`, `.` and `/`"),
    r"^[A-Za-z0-9_.\-/]{1,64}$": ("a prefix", "it has letters, digits, `_`, `-`, `.` and `/`"),
    r"^[^.\[\]]+(\.[^.\[\]]+|\[[^\[\]]+\])*$": (
        "a path",
        "write keys with dots between, and an item of a list by its id or name: `roles.developer.allow[own].when`",
    ),
}
"""Each pattern of the language: what it describes, and how that is written."""

INSTEAD: Final[dict[str, str]] = {
    "version": "mesh",
    "envs": "environments",
    "url": "http",
    "command": "stdio",
    "cmd": "stdio",
    "sse": "http",
    "replace": "set",
    "update": "set",
    "append": "add",
    "insert": "add",
    "delete": "remove",
    "token": "sha256",
    "secret": "sha256",
    "group": "team",
    "groups": "team",
    "app": "application",
    "from": "default",
    "value": "to",
    "with": "to",
    "to": "value",
}
"""Words of other tools, each with ours; they count only where ours is a key."""

WRITE_AS: Final[dict[str, str]] = {
    "command": "write command and arguments as one list: `stdio: [COMMAND, ARGUMENT, …]`",
    "cmd": "write command and arguments as one list: `stdio: [COMMAND, ARGUMENT, …]`",
    "url": "write `http: URL`",
    "sse": "servers speak streamable HTTP: write `http: URL`",
    "token": "a key is kept as its digest: write `sha256: HEX`",
    "secret": "a key is kept as its digest: write `sha256: HEX`",
    "from": "parameters never read the environment: give a `default`, or a value with `--param`",
}
"""Advice where a word of another tool is not only spelt differently."""

_EXAMPLES: Final[dict[type[BaseModel], str]] = {
    SubjectRef: "write `{team: NAME}` or the like",
    RuleEntry: "write `{server: SERVER, tools: [NAME]}` or the like",
    GrantEntry: "write `{role: ROLE, to: [{team: NAME}]}`",
    Subject: "write `{}` for one that keys assert, or `{issuer: NAME, claim: groups, has: VALUE}`",
    Tunnel: "write `{}`",
}
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}\Z")


def example(expected: Any, value: Any) -> str | None:
    """How a part of the language is written, with the author's own word in it."""
    found = _EXAMPLES.get(expected) if isinstance(expected, type) else None
    if found is not None and isinstance(value, str) and _WORD.match(value):
        return found.replace("NAME", value)
    return found


def as_name(text: str) -> str | None:
    """A valid name that is close to ``text``, or ``None``."""
    words = re.findall(r"[a-z0-9_]+", text.lower())
    name = "-".join(words).lstrip("0123456789_-")[:63]
    return name or None
