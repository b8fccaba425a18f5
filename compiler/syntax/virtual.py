"""`virtual:` as written: curated sets of capabilities, each under one endpoint."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from meshplan.compiler.syntax.selectors import NameSelector, ResourceSelector, ToolSelector
from meshplan.compiler.syntax.words import Glob, Name, Text, Written

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-/]{1,128}$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-/]{1,64}$")]


class Include(Written):
    """Capabilities of one server; `except` takes away by upstream name, `prefix` is put before tool and prompt names."""

    server: Name
    tools: ToolSelector | None = None
    prompts: NameSelector | None = None
    resources: ResourceSelector | None = None
    templates: NameSelector | None = None
    except_: Annotated[list[Glob], Field(alias="except")] = []
    prefix: Prefix | None = None


class ToolOverride(Written):
    """How one tool is shown: another name or description, arguments fixed by `set`, arguments taken away by `hide`."""

    name: ToolName | None = None
    description: Text | None = None
    set: dict[Text, Any] = {}
    hide: list[Text] = []


class Virtual(Written):
    """One endpoint. `tools` is keyed by the name after `prefix`."""

    description: Text | None = None
    strategy: Literal["passthrough"] = "passthrough"
    include: Annotated[list[Include], Field(min_length=1)]
    tools: dict[Text, ToolOverride] = {}
