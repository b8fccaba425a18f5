"""What the ledger keeps of arguments and results: what conditions read, and declared fields; typed, bounded, without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from meshplan.schemas import jsontext
from meshplan.schemas.credentials import CERTAIN

LONGEST: Final = 512
"""Bytes of JSON of one argument that are kept as they are; of longer ones the digest and the length."""

_SECRET_NAME: Final = re.compile(
    r"passw|secret|token|api[_-]?key|credential|authorization|cookie|private[_-]?key", re.IGNORECASE
)
_SECRET_TEXT: Final = re.compile(
    r"-----BEGIN|\beyJ[\w-]{8,}\.[\w-]+\.|\b(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|mesh|AKIA|ASIA)[_-]?[A-Za-z0-9_-]{16,}|\bBearer\s+\S{8,}"
)


def read_arguments(conditions: Iterable[object]) -> frozenset[str] | None:
    """The names of the arguments that expressions read; ``None``: any of them."""
    found: set[str] = set()
    pending: list[object] = list(conditions)
    while pending:
        node = pending.pop()
        if not isinstance(node, (list, tuple)):
            continue
        parts = cast("list[object]", node)
        if len(parts) == 2 and parts[0] == "var" and parts[1] == "args":
            return None
        name = _argument(parts)
        if name is not None:
            found.add(name)
            continue
        pending.extend(() if parts and parts[0] == "lit" else parts)
    return frozenset(found)


def _argument(parts: list[object]) -> str | None:
    if len(parts) != 3 or parts[0] not in ("select", "has"):
        return None
    inner = cast("list[object]", parts[1]) if isinstance(parts[1], (list, tuple)) else []
    return str(parts[2]) if len(inner) == 2 and inner[0] == "var" and inner[1] == "args" else None


def kept(arguments: Mapping[str, Any], names: frozenset[str] | None) -> str:
    """The named arguments as JSON: ``{NAME: {"value": …}}``, or ``"redacted"``, or ``"digest"`` and ``"bytes"``."""
    chosen = arguments if names is None else {name: arguments[name] for name in names if name in arguments}
    return jsontext.canonical({name: _kept(name, value) for name, value in chosen.items()})


def fields(tree: object, paths: Iterable[str]) -> str | None:
    """What of a tree is at these paths, by path, in the form of ``kept``; ``None`` where there is nothing at any.

    A path is names with dots between; of an array it means each element, and the values are an array then.
    """
    found = {path: values for path in paths if (values := _at(tree, path.split("."))) is not _NOTHING}
    return jsontext.canonical({path: _kept(path, value) for path, value in found.items()}) if found else None


_NOTHING: Final = object()


def _at(tree: object, names: list[str]) -> object:
    if not names:
        return tree
    if isinstance(tree, list):
        inner = [_at(element, names) for element in cast("list[object]", tree)]
        found = [value for value in inner if value is not _NOTHING]
        return found or _NOTHING
    if not isinstance(tree, dict):
        return _NOTHING
    members = cast("dict[str, object]", tree)
    return _at(members[names[0]], names[1:]) if names[0] in members else _NOTHING


def _kept(name: str, value: Any) -> dict[str, Any]:
    text = jsontext.canonical(value)
    if _SECRET_NAME.search(name) or _SECRET_TEXT.search(text) or CERTAIN.search(text) or _names_secret(value):
        return {"redacted": "secret"}
    if len(text) > LONGEST:
        return {"digest": jsontext.digest(text), "bytes": len(text.encode())}
    return {"value": value}


def _names_secret(value: object) -> bool:
    """Whether a member somewhere in it is called like a secret."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return any(_SECRET_NAME.search(name) or _names_secret(inner) for name, inner in members.items())
    return isinstance(value, list) and any(_names_secret(inner) for inner in cast("list[object]", value))
