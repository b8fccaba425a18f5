"""The draft-7 profile: what yaml-language-server understands, with the same meaning."""

from __future__ import annotations

from typing import Any, cast

_DIALECT = "http://json-schema.org/draft-07/schema#"
_NAMED = ("properties", "patternProperties", "definitions")
_DATA = ("default", "examples", "enum", "const", "required")
_NULL = {"type": "null"}

Schema = dict[str, Any]


def as_draft7(schema: Schema) -> Schema:
    """A 2020-12 schema of ours as draft 7.

    Nothing stands beside `$ref`; a choice is `anyOf` of objects that each require a key of their own; every
    description is also there as `markdownDescription`.
    """
    definitions = cast("dict[str, Schema]", schema.get("$defs", {}))
    body = {key: value for key, value in schema.items() if key not in ("$schema", "$id", "$defs")}
    head: Schema = {"$schema": _DIALECT}
    if "$id" in schema:
        head["$id"] = schema["$id"].replace(".json", ".draft7.json")
    converted = {name: _node(part, definitions) for name, part in definitions.items()}
    return {**head, **_node(body, definitions), **({"definitions": converted} if converted else {})}


def _node(node: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_node(item, definitions) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    part = _choice(_inlined(cast("Schema", node), definitions))
    if "$ref" in part:
        return {"$ref": part["$ref"].replace("#/$defs/", "#/definitions/")}
    if "prefixItems" in part:
        part["items"] = part.pop("prefixItems")
        part["additionalItems"] = False
    found = {key: _value(key, value, definitions) for key, value in part.items()}
    if isinstance(found.get("description"), str):
        found["markdownDescription"] = found["description"]
    return found


def _value(key: str, value: Any, definitions: dict[str, Schema]) -> Any:
    if key in _NAMED:
        return {name: _node(part, definitions) for name, part in cast("dict[str, Any]", value).items()}
    return value if key in _DATA else _node(value, definitions)


def _inlined(part: Schema, definitions: dict[str, Schema]) -> Schema:
    """What a reference with something beside it refers to, with that on top."""
    if "$ref" not in part or len(part) == 1:
        return dict(part)
    target = definitions[part["$ref"].removeprefix("#/$defs/")]
    return _inlined({**target, **{key: value for key, value in part.items() if key != "$ref"}}, definitions)


def _choice(part: Schema) -> Schema:
    """`oneOf` as `anyOf`, choices within choices as one, and an optional plain value as one type list."""
    branches = _branches(part)
    if branches is None:
        return part
    rest = {key: value for key, value in part.items() if key not in ("oneOf", "anyOf")}
    values = [branch for branch in branches if branch != _NULL]
    optional = len(values) < len(branches)
    if len(values) == 1 and "type" in values[0] and not optional:
        return {**values[0], **rest}
    if len(values) == 1 and optional and isinstance(values[0].get("type"), str) and "const" not in values[0]:
        value = {**values[0], "type": [values[0]["type"], "null"]}
        if "enum" in value:
            value["enum"] = [*value["enum"], None]
        return {**value, **rest}
    return {**rest, "anyOf": branches}


def _branches(part: Schema) -> list[Schema] | None:
    if "oneOf" not in part and "anyOf" not in part:
        return None
    found: list[Schema] = []
    for branch in cast("list[Schema]", part.get("oneOf") or part.get("anyOf")):
        inner = _branches(branch) if set(branch) <= {"oneOf", "anyOf"} else None
        found += [branch] if inner is None else inner
    return found
