"""`contracts:`, `bindings:` and `workflows:` as written: signatures, who provides them, and tools made of tools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from meshplan.compiler.syntax.words import Duration, Entry, FreeJson, Maybe, Name, Text, Written

ContractName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}/v[1-9][0-9]{0,3}$")]
OperationName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,62}$")]


def _expression(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    raise PydanticCustomError("mesh_form", "wants an expression -- an expression is text: put all of it in quotes")


Expression = Annotated[str, Field(min_length=1, max_length=4096), BeforeValidator(_expression)]
"""An expression in the documented subset of CEL (docs/expressions.md)."""
ToolRef = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}\..+$")]
"""`SERVER.TOOL`, by upstream name."""


class OperationEntry(Written):
    """The signature of one operation, as JSON Schemas."""

    description: Maybe[Text] = None
    input: dict[str, FreeJson]
    output: dict[str, FreeJson] = {}
    optional: bool = False


class ContractEntry(Written):
    """A contract of the user's own."""

    description: Maybe[Text] = None
    operations: Annotated[dict[OperationName, OperationEntry], Field(min_length=1)]


class Mapping(Written):
    """One operation by one tool: `in` makes the tool's arguments from `args`, `out` the operation's result from `result`."""

    tool: Text
    in_: Annotated[dict[Text, Expression], Field(alias="in")] = {}
    out: dict[Text, Expression] = {}


class Binding(Entry):
    """A contract, offered by a provider server through an explicit mapping; tools are named after `as`."""

    contract: ContractName
    as_: Annotated[Name, Field(alias="as")]
    provider: Name
    map: Annotated[dict[OperationName, Mapping], Field(min_length=1)]


class Step(Written):
    """One call of a workflow; `when` may skip it, `on_error` says what a failure means."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-zA-Z0-9_]{0,62}$")]
    call: ToolRef
    with_: Annotated[dict[Text, Expression], Field(alias="with")] = {}
    when: Maybe[Expression] = None
    on_error: Literal["fail", "continue"] = "fail"
    timeout: Maybe[Duration] = None


class Workflow(Entry):
    """A declared, deterministic sequence of calls, offered as one tool."""

    description: Maybe[Text] = None
    run_as: Literal["caller", "workflow"] = "caller"
    input: dict[str, FreeJson]
    steps: Annotated[list[Step], Field(min_length=1, max_length=100)]
    output: Expression
