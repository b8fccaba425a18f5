"""The plan's bindings and workflows: tools that are made of tools."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from meshplan.schemas.frozen import Frozen


class Operation(Frozen):
    """One operation of a contract by one capability of the provider.

    Expressions' IR: ``arguments`` over ``args`` by argument of the tool, ``result`` over ``result`` by field of the
    operation's output. ``None`` passes on what there is, unchanged.
    """

    capability: str
    arguments: dict[str, JsonValue] | None
    result: dict[str, JsonValue] | None


class Binding(Frozen):
    """A contract, offered by a provider through an explicit mapping."""

    contract: str
    provider: str
    operations: dict[str, Operation]


class Step(Frozen):
    """One call; ``when`` and ``arguments`` are expressions' IR over ``input`` and ``steps``."""

    name: str
    capability: str
    arguments: dict[str, JsonValue]
    when: JsonValue
    on_error: Literal["fail", "continue"]
    timeout_ms: int | None


class Workflow(Frozen):
    """A deterministic sequence of calls; the effect of its capability is the most severe of its steps'."""

    run_as: Literal["caller", "workflow"]
    steps: tuple[Step, ...]
    output: JsonValue
