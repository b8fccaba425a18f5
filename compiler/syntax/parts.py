"""`include:`, `parameters:` and `environments:` as written: one mesh from several files, and its variants."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from meshplan.compiler.syntax.words import FreeJson, Maybe, Name, Text, Written, bad_value

PatchPath = Annotated[str, Field(pattern=r"^[^.\[\]]+(\.[^.\[\]]+|\[[^\[\]]+\])*$", max_length=1000)]
"""Keys with dots between, list items by id or name in brackets: `roles.developer.allow[own-issues].when`."""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    raise bad_value("wants text, a whole number, `true` or `false`", "put it in quotes if it is text")


PlainValue = Annotated[str | int | bool, BeforeValidator(_plain)]
"""What a parameter can stand for."""


class Parameter(Written):
    """A value that `${param.NAME}` stands for in text; never read from the environment."""

    type: Literal["string", "int", "bool", "enum"] = "string"
    values: list[Text] = []
    default: Maybe[PlainValue] = None
    description: Maybe[Text] = None


class SetPatch(Written):
    """Replace what is at a path that exists."""

    set: PatchPath
    to: FreeJson


class AddPatch(Written):
    """Add a key to a mapping, or an item to a list, that exists."""

    add: PatchPath
    value: FreeJson


class RemovePatch(Written):
    """Take away what is at a path that exists."""

    remove: PatchPath


_PATCHES = {"set": SetPatch, "add": AddPatch, "remove": RemovePatch}


def _patch(value: Any) -> str | None:
    if isinstance(value, Written):
        return next(key for key, model in _PATCHES.items() if isinstance(value, model))
    return next((key for key in _PATCHES if key in value), None) if isinstance(value, dict) else None


Patch = Annotated[
    Annotated[SetPatch, Tag("set")] | Annotated[AddPatch, Tag("add")] | Annotated[RemovePatch, Tag("remove")],
    Discriminator(
        _patch,
        custom_error_type="mesh_form",
        custom_error_message="wants a patch -- write `{set: PATH, to: VALUE}`, `{add: PATH, value: VALUE}` or `{remove: PATH}`",
    ),
]


class Environment(Written):
    """A variant of the mesh: other parameters, and explicit patches, applied in order."""

    description: Maybe[Text] = None
    parameters: dict[Name, PlainValue] = {}
    patch: list[Patch] = []
