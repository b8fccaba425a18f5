"""What the conditions of rules read of a call, as the ledger keeps it: typed, bounded, without what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from meshplan.schemas import jsontext

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


def _kept(name: str, value: Any) -> dict[str, Any]:
    text = jsontext.canonical(value)
    if _SECRET_NAME.search(name) or _SECRET_TEXT.search(text):
        return {"redacted": "secret"}
    if len(text) > LONGEST:
        return {"digest": jsontext.digest(text), "bytes": len(text.encode())}
    return {"value": value}
