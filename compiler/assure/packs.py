"""Policies as they are written, in a built-in pack or in a file of the user's own: one form for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.marks import MapNode
from meshplan.compiler.reader import Reader
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax.errors import explain
from meshplan.compiler.syntax.orchestration import Expression
from meshplan.compiler.syntax.words import Maybe, Name, Text, Written

Kind = Literal["server", "capability", "endpoint", "role", "rule", "grant", "subject", "key", "mesh"]
Level = Literal["advisory", "mandatory"]


class PolicyEntry(Written):
    """Every thing of a kind, where `where` holds, must be as `require` says; otherwise it `says` what is wrong with it."""

    name: Name
    description: Maybe[Text] = None
    code: Maybe[Annotated[str, Field(pattern=r"^MESH6[0-9]{2}$")]] = None
    for_: Annotated[Kind, Field(alias="for")]
    level: Level = "advisory"
    where: Maybe[Expression] = None
    require: Expression
    says: Text
    help: Maybe[Text] = None


class PolicyFile(Written):
    """One file of policies."""

    policies: Annotated[list[PolicyEntry], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One file as it was read: its text, its document for places, and its entries."""

    file: str
    text: str
    root: MapNode
    entries: tuple[PolicyEntry, ...]


@cache
def builtin(pack: str) -> PolicySource:
    """A built-in pack; it is part of the compiler, so a mistake in it is ours."""
    name = f"{PurePosixPath(pack).name}.yaml"
    text = files("meshplan.policies").joinpath(name).read_text(encoding="utf-8")
    source, found = read_policies(f"{pack}.yaml", text)
    if source is None or found:
        raise ValueError(f"the built-in pack `{pack}` is damaged: {found}")
    return source


def own(reader: Reader, names: Sequence[str]) -> tuple[list[PolicySource], dict[str, str], list[Diagnostic]]:
    """The user's own files, with their texts and what is wrong with them."""
    sources: list[PolicySource] = []
    texts: dict[str, str] = {}
    found: list[Diagnostic] = []
    for name in names:
        texts[name] = reader.read(name) or ""
        source, said = read_policies(name, texts[name])
        found += said
        if source is not None:
            sources.append(source)
    return sources, texts, found


def read_policies(file: str, text: str) -> tuple[PolicySource | None, list[Diagnostic]]:
    """Read one file of policies."""
    root, found = read_yaml(file, text)
    if root is None or found:
        return None, list(found)
    try:
        written = PolicyFile.model_validate(root)
    except ValidationError as error:
        return None, list(explain(root, PolicyFile, error))
    return PolicySource(file, text, root, tuple(written.policies)), []
