"""Puts the meaning of every key into a schema: from the field, from the docstring below it, or from ``keys``."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from meshplan.compiler.schema.keys import KEYS


def described(schema: dict[str, Any], root: type[BaseModel]) -> None:
    """Describe the properties of the schema of ``root``, in place."""
    definitions = cast("dict[str, dict[str, Any]]", schema.get("$defs", {}))
    for model in models(root):
        part = schema if model is root else definitions.get(model.__name__)
        if part is not None:
            _describe(part, model)


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that ``root`` is made of, itself included."""
    found: dict[type[BaseModel], None] = {}
    waiting = [root]
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = None
            for field in model.model_fields.values():
                waiting += _inside(field.annotation)
    return list(found)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    properties = cast("dict[str, dict[str, Any]]", part.get("properties", {}))
    for name, field in model.model_fields.items():
        key = field.alias or name
        description, examples = _meaning(model, name, key, field)
        own = properties[key]
        if description is not None:
            own["description"] = description
        if examples:
            own["examples"] = examples


def _meaning(model: type[BaseModel], name: str, key: str, field: FieldInfo) -> tuple[str | None, list[Any]]:
    """The nearest description and examples: those of the model itself go before those of what it inherits from."""
    description, examples = field.description, list(field.examples or ())
    for ancestor in model.__mro__:
        if issubclass(ancestor, BaseModel) and name in inspect.get_annotations(ancestor):
            told, *shown = KEYS.get(f"{ancestor.__name__}.{key}", (None,))
            return description or _docstrings(ancestor).get(name) or told, examples or shown
    return description, examples


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The texts right below the fields of a class; read from its source, as nothing keeps them at run time."""
    for node in ast.walk(_source(model.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == model.__name__:
            pairs = zip(node.body, node.body[1:], strict=False)
            return {
                field.target.id: inspect.cleandoc(text.value.value)
                for field, text in pairs
                if isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            }
    return {}


@cache
def _source(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))
