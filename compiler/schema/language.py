"""The schema of mesh.yaml: pydantic's, brought to what the compiler really takes, with the meaning of every key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from meshplan.compiler.schema.describe import described
from meshplan.compiler.schema.tidy import tidied
from meshplan.compiler.schema.words import SPELLINGS, WORDS, or_parameter
from meshplan.compiler.syntax.mesh import Mesh

_ID = "https://mesh.dev/schemas/mesh.v1.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WORD = "x-word"


def language_schema(model: type[BaseModel] = Mesh, id: str = _ID) -> dict[str, Any]:
    """The JSON Schema (2020-12) of mesh.yaml, or of another file with its own model, as its author writes it."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    described(schema, model)
    for part in _parts(schema):
        _spell_default(part)
    for part in _parts(schema):
        part.pop(_WORD, None)
        if part.get("type") == "string" and "pattern" in part:
            part["pattern"] = or_parameter(part["pattern"])
    return {"$schema": _DIALECT, "$id": id, **tidied(schema)}


class _Generator(GenerateJsonSchema):
    """Adds what our own validators take: pydantic cannot look into a function."""

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        found = super().generate_inner(schema)
        read = schema["schema"] if schema["type"] == "function-after" else schema
        if read["type"] == "function-before" and "$ref" not in found:
            name = read["function"]["function"].__name__
            if name in WORDS:
                found = {**found, **WORDS[name], _WORD: name}
        return found


def _parts(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema object in a schema, and some mappings of them."""
    if isinstance(node, dict):
        yield cast("dict[str, Any]", node)
        for value in list(cast("dict[str, Any]", node).values()):
            yield from _parts(value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _parts(value)


def _spell_default(part: dict[str, Any]) -> None:
    """A default that is written as `30s` or `4MiB` is kept as a number by the model."""
    spell = SPELLINGS.get(part.get(_WORD, ""))
    if spell is not None and isinstance(part.get("default"), int):
        part["default"] = spell(part["default"])
