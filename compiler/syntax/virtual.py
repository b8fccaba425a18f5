"""`virtual:` as written: curated sets of capabilities, each under one endpoint, with a strategy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from meshplan.compiler.syntax.selectors import NameSelector, ResourceSelector, ToolSelector
from meshplan.compiler.syntax.words import Duration, Entry, FreeJson, Glob, Maybe, Name, Size, Text, Written, between
from meshplan.schemas import bounds

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-/]{1,128}$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-/]{1,64}$")]


class ServerInclude(Written):
    """Capabilities of one server; `except` takes away by upstream name, `prefix` is put before tool and prompt names."""

    server: Name
    tools: Maybe[ToolSelector] = None
    prompts: Maybe[NameSelector] = None
    resources: Maybe[ResourceSelector] = None
    templates: Maybe[NameSelector] = None
    except_: Annotated[list[Glob], Field(alias="except")] = []
    prefix: Maybe[Prefix] = None


class BindingInclude(Written):
    """The operations of a binding, each as one tool."""

    binding: Name
    operations: list[Text] = []
    prefix: Maybe[Prefix] = None


class WorkflowInclude(Written):
    """A workflow, as one tool."""

    workflow: Name
    prefix: Maybe[Prefix] = None


_INCLUDES = {"server": ServerInclude, "binding": BindingInclude, "workflow": WorkflowInclude}


def _include(value: Any) -> str | None:
    if isinstance(value, Written):
        return next(key for key, model in _INCLUDES.items() if isinstance(value, model))
    return next((key for key in _INCLUDES if key in value), None) if isinstance(value, dict) else None


Include = Annotated[
    Annotated[ServerInclude, Tag("server")]
    | Annotated[BindingInclude, Tag("binding")]
    | Annotated[WorkflowInclude, Tag("workflow")],
    Discriminator(
        _include,
        custom_error_type="mesh_form",
        custom_error_message="wants a server, a binding or a workflow -- write `{server: NAME, tools: all}` or the like",
    ),
]


class ToolOverride(Written):
    """How one tool is shown: another name or description, arguments fixed by `set`, arguments taken away by `hide`."""

    name: Maybe[ToolName] = None
    description: Maybe[Text] = None
    set: dict[Text, FreeJson] = {}
    hide: list[Text] = []


class SearchSettings(Written):
    """Meta-tools to find, describe and call; `pinned` tools are always listed, `semantic` needs the extra of that name."""

    max_results: Annotated[int, Field(ge=1, le=100)] = 10
    pinned: list[Text] = []
    ranker: Literal["lexical", "semantic"] = "lexical"


class Search(Written):
    """Callers find tools by searching."""

    search: SearchSettings


class CodeSettings(Written):
    """Bounds of one program."""

    wall: Annotated[Duration, between(10, bounds.MAX_WALL_MS, "10ms", "5m")] = 5_000
    memory: Annotated[Size, between(1 << 20, bounds.MAX_MEMORY_BYTES, "1MiB", "512MiB")] = 64 << 20
    calls: Annotated[int, Field(ge=1, le=bounds.MAX_CALLS)] = 50
    output: Annotated[Size, between(1, bounds.MAX_OUTPUT_BYTES, "1B", "1MiB")] = 256 << 10
    logs: Annotated[Size, between(1, bounds.MAX_LOGS_BYTES, "1B", "256KiB")] = 16 << 10


class Code(Written):
    """Callers send a program that calls tools."""

    code: CodeSettings


class PluginSettings(Written):
    """A strategy of an installed package, pinned by name and version."""

    name: Name
    version: Text
    settings: dict[Text, FreeJson] = {}


class Plugin(Written):
    """A strategy that a package brings (entry point group `meshplan.strategies`)."""

    plugin: PluginSettings


_STRATEGIES = {"search": Search, "code": Code, "plugin": Plugin}


def _strategy(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    if isinstance(value, Written):
        return next(key for key, model in _STRATEGIES.items() if isinstance(value, model))
    return next((key for key in _STRATEGIES if key in value), None) if isinstance(value, dict) else None


Strategy = Annotated[
    Annotated[Literal["passthrough", "search", "code"], Tag("word")]
    | Annotated[Search, Tag("search")]
    | Annotated[Code, Tag("code")]
    | Annotated[Plugin, Tag("plugin")],
    Discriminator(
        _strategy,
        custom_error_type="mesh_form",
        custom_error_message="wants a strategy -- write `passthrough`, `search`, `code`, or `{code: {wall: 5s}}` and the like",
    ),
]


def kind_of(strategy: str | Written) -> str:
    """The kind of a strategy, written as a word or with settings."""
    return strategy if isinstance(strategy, str) else _strategy(strategy) or ""


class Virtual(Entry):
    """One endpoint. `tools` is keyed by the name after `prefix`; `max_tokens` bounds what its lists cost a client."""

    description: Maybe[Text] = None
    strategy: Strategy = "passthrough"
    max_tokens: Maybe[Annotated[int, Field(ge=1, le=10_000_000)]] = None
    include: Annotated[list[Include], Field(min_length=1)]
    tools: dict[Text, ToolOverride] = {}
