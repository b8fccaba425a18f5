"""Which new capability resembles one that is gone: a score to show, which carries no grant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from meshplan.schemas.capability import KINDS, CapabilityKey

THRESHOLD: Final = 0.5
MAX_EACH: Final = 200
"""Of more gone or new capabilities of one kind than this, only the first by name are compared."""

_WEIGHTS: Final = (0.4, 0.3, 0.3)
"""Name, description, arguments; what neither side has does not count."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W0-9A-Za-z_]+")
_MAX_TEXT: Final = 2_000
_MAX_PROPERTIES: Final = 200

Definitions = Mapping[CapabilityKey, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Traits:
    parts: tuple[frozenset[str], ...]


def renames(gone: Definitions, new: Definitions) -> dict[CapabilityKey, tuple[CapabilityKey, float]]:
    """For new capabilities the gone one of the same server and kind that each resembles most, one to one.

    Scores are from 0 to 1, rounded to hundredths; below ``THRESHOLD`` nothing is said. At equal scores the first by
    name wins.
    """
    found: list[tuple[float, CapabilityKey, CapabilityKey]] = []
    for kind in KINDS:
        left = {key: _traits(gone[key]) for key in sorted(gone) if key.kind == kind}
        right = {key: _traits(new[key]) for key in sorted(new) if key.kind == kind}
        for key in list(right)[:MAX_EACH]:
            for other in list(left)[:MAX_EACH]:
                score = _score(left[other], right[key])
                if score >= THRESHOLD:
                    found.append((-score, key, other))
    taken: set[CapabilityKey] = set()
    matched: dict[CapabilityKey, tuple[CapabilityKey, float]] = {}
    for negative, key, other in sorted(found):
        if key not in matched and other not in taken:
            matched[key] = other, -negative
            taken.add(other)
    return matched


def _traits(definition: Mapping[str, Any]) -> _Traits:
    name = str(definition.get("name") or definition.get("uri") or definition.get("uriTemplate") or "")
    return _Traits((_words(name), _words(str(definition.get("description") or "")), _arguments(definition)))


def _words(text: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(text[:_MAX_TEXT]))


def _arguments(definition: Mapping[str, Any]) -> frozenset[str]:
    schema: Any = definition.get("inputSchema")
    properties: Any = cast("dict[str, Any]", schema).get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return frozenset()
    named = list(cast("dict[str, Any]", properties).items())[:_MAX_PROPERTIES]
    return frozenset(f"{name}:{_type(part)}" for name, part in named)


def _type(schema: object) -> str:
    return str(cast("dict[str, Any]", schema).get("type"))[:40] if isinstance(schema, dict) else ""


def _score(one: _Traits, other: _Traits) -> float:
    total = weight = 0.0
    for share, left, right in zip(_WEIGHTS, one.parts, other.parts, strict=True):
        either = left | right
        if either:
            total += share * len(left & right) / len(either)
            weight += share
    return round(total / weight, 2) if weight else 0.0
