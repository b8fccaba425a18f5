"""What of an input schema a condition depends on: tools that agree on that much are judged once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from meshplan.compiler.expressions import Expr
from meshplan.compiler.expressions.constants import below
from meshplan.compiler.expressions.syntax import Index, Literal, Macro, Name, Select

_WORDS = ("title", "description", "examples", "default")
_ELSEWHERE = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "type")
"""Keywords beside `properties` that may say more of an argument; `type: object` says nothing."""


def relevant(tree: Expr, schema: object) -> str | None:
    """The arguments that the condition reads, with their schemas, as text; ``None`` where the whole schema counts.

    An argument that the schema does not name counts as the whole: what it is a slip of depends on all the others.
    """
    names = arguments_read(tree)
    if names is None or not isinstance(schema, Mapping):
        return None
    found = cast("Mapping[str, Any]", schema)
    properties, required = found.get("properties"), found.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list) or not names <= properties.keys():
        return None
    if any(key in found and found[key] != "object" for key in _ELSEWHERE):
        return None
    parts = [(name, name in required, _bare(cast("dict[str, Any]", properties)[name])) for name in sorted(names)]
    text = json.dumps(parts, sort_keys=True, default=str)
    return None if "$ref" in text else text


def _bare(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {key: value for key, value in cast("dict[str, Any]", schema).items() if key not in _WORDS}


@lru_cache(maxsize=4096)
def arguments_read(tree: Expr) -> frozenset[str] | None:
    """The fields of `args` that an expression reads, or ``None`` where it uses `args` in another way."""
    match tree:
        case Literal():
            return frozenset()
        case Name(name=name):
            return None if name == "args" else frozenset()
        case Select(operand=Name(name="args"), field=field):
            return frozenset((field,))
        case Index(operand=Name(name="args"), key=Literal(value=str() as field)):
            return frozenset((field,))
        case Macro(variable="args"):
            return None
        case _:
            return _together(below(tree))


def _together(parts: tuple[Expr, ...]) -> frozenset[str] | None:
    names: set[str] = set()
    for part in parts:
        found = arguments_read(part)
        if found is None:
            return None
        names |= found
    return frozenset(names)
