"""The keys and words that the language has at a path, from its own JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, cast

from meshplan.compiler.diagnostics import Part, Path
from meshplan.compiler.importers import yamltext
from meshplan.compiler.schema import make_schema

Schema: TypeAlias = Mapping[str, Any]

_TYPES = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key that may stand at a place."""

    name: str
    about: str
    form: str
    examples: tuple[str, ...]
    block: bool
    """Whether what follows is always a mapping or a list."""
    required: bool


@cache
def _root() -> Schema:
    return make_schema("mesh")


def schemas_at(path: Path, data: Any) -> list[Schema]:
    """What may stand at ``path`` of a document; ``data`` is the document, by which alternatives are narrowed."""
    found = _alternatives(_root())
    for part in path:
        found = [inner for schema in _fitting(found, data) for inner in _into(schema, part)]
        data = _step(data, part)
    return _fitting(found, data)


def keys_at(path: Path, data: Any) -> list[Key]:
    """The keys of the mapping at ``path``, in the order of the language."""
    keys: dict[str, Key] = {}
    for schema in schemas_at(path, data):
        required = cast("list[str]", schema.get("required", []))
        for name, inner in cast("dict[str, Schema]", schema.get("properties", {})).items():
            keys.setdefault(name, _key(name, inner, required=name in required))
    return list(keys.values())


def words_at(path: Path, data: Any) -> list[str]:
    """The words that the value at ``path`` may be."""
    words: list[str] = []
    for schema in schemas_at(path, data):
        words += [str(word) for word in schema.get("enum", [])]
        words += [str(schema["const"])] if "const" in schema else []
        words += ["true", "false"] if schema.get("type") == "boolean" else []
    return list(dict.fromkeys(words))


def about_key(path: Path, data: Any) -> Key | None:
    """The key at the end of ``path``, where it is one of the language and not a name of the author's."""
    if not path or not isinstance(path[-1], str):
        return None
    return next((key for key in keys_at(path[:-1], data) if key.name == path[-1]), None)


def _key(name: str, schema: Schema, *, required: bool) -> Key:
    alternatives = _alternatives(schema)
    about = schema.get("description") or next((s["description"] for s in alternatives if "description" in s), "")
    told: list[Any] = [s["examples"] for s in (schema, *alternatives) if s.get("examples")]
    kinds = {s.get("type") for s in alternatives}
    return Key(
        name,
        str(about),
        _form(schema, alternatives),
        tuple(yamltext.flow(example) for example in (told[0] if told else ())),
        bool(kinds) and kinds <= {"object", "array"},
        required,
    )


def _form(schema: Schema, alternatives: Iterable[Schema]) -> str:
    """In words: what may be written, and what holds when it is left out."""
    text = " or ".join(dict.fromkeys(form for alternative in alternatives if (form := _one(alternative))))
    default = schema.get("default")
    return text if default in (None, [], {}, "") else f"{text}; {yamltext.flow(default)} when left out"


def _one(schema: Schema) -> str:
    if "const" in schema or "enum" in schema:
        words = [*schema.get("enum", []), *([schema["const"]] if "const" in schema else [])]
        return " or ".join(f"`{word}`" for word in words)
    if schema.get("type") == "boolean":
        return "`true` or `false`"
    return _TYPES.get(str(schema.get("type")), "")


def _alternatives(schema: Schema, depth: int = 0) -> list[Schema]:
    """References followed and unions opened; `null` only says that a key may be missing."""
    if depth > 20:
        return []
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _alternatives(_root()["$defs"][name], depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return [found for inner in schema[word] for found in _alternatives(inner, depth + 1)]
    return [] if schema.get("type") == "null" else [schema]


def _fitting(schemas: Iterable[Schema], data: Any) -> list[Schema]:
    """Of several mappings, those that have all keys that are there and the most of what they need."""
    schemas = list(schemas)
    if not isinstance(data, dict) or len(schemas) < 2:
        return schemas
    given = {str(key) for key in cast("dict[Any, Any]", data)}
    mappings = [schema for schema in schemas if "properties" in schema]
    fitting = [schema for schema in mappings if given <= set(schema["properties"])]
    if not given or not fitting:
        return schemas
    score = {id(schema): len(given & set(schema.get("required", []))) for schema in fitting}
    best = max(score.values())
    return [schema for schema in fitting if score[id(schema)] == best]


def _into(schema: Schema, part: Part) -> Iterator[Schema]:
    if isinstance(part, int):
        if isinstance(schema.get("items"), dict):
            yield from _alternatives(schema["items"])
        return
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if part in properties:
        yield from _alternatives(properties[part])
        return
    for pattern, inner in cast("dict[str, Schema]", schema.get("patternProperties", {})).items():
        if re.search(pattern, part):
            yield from _alternatives(inner)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _alternatives(schema["additionalProperties"])


def _step(data: Any, part: Part) -> Any:
    if isinstance(part, str):
        return cast("dict[Any, Any]", data).get(part) if isinstance(data, dict) else None
    items = cast("list[Any]", data) if isinstance(data, list) else []
    return items[part] if part < len(items) else None
