"""Takes out of a generated schema what nobody reads, and closes what pydantic leaves open."""

from __future__ import annotations

from typing import Any, cast

_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA = ("default", "examples", "enum", "const")


def tidied(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without titles of keys, empty defaults and OpenAPI's `discriminator`; mappings take no other keys."""
    root = _tidied(schema)
    if "title" in schema:
        root["title"] = schema["title"]
    for name, definition in schema.get("$defs", {}).items():
        root["$defs"][name] = {"title": definition.get("title", name), **root["$defs"][name]}
    return root


def _tidied(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidied(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    part = cast("dict[str, Any]", node)
    kept = {key: _value(key, value) for key, value in part.items() if key not in ("title", "discriminator")}
    if _says_nothing(kept.get("default", 0)):
        del kept["default"]
    if "patternProperties" in kept:
        kept.setdefault("additionalProperties", False)
    return kept


def _value(key: str, value: Any) -> Any:
    if key in _NAMED:
        return {name: _tidied(part) for name, part in cast("dict[str, Any]", value).items()}
    return value if key in _DATA else _tidied(value)


def _says_nothing(default: Any) -> bool:
    return default is None or isinstance(default, dict | list)
