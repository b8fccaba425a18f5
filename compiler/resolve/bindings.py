"""Bindings: each operation of a contract made by one tool of the provider, through mappings that must type-check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import DYN, Env
from meshplan.compiler.lockfile import locked
from meshplan.compiler.resolve.conditions import compile_at
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolved import KnownCapability, ResolvedBinding, ResolvedOperation
from meshplan.compiler.syntax.orchestration import Binding, ContractEntry, OperationEntry
from meshplan.compiler.syntax.orchestration import Mapping as Mapped
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.surface import declared_arguments

BUILT_IN = ("agent", "collection", "language-model", "workflow")


@cache
def built_in_contracts() -> dict[str, ContractEntry]:
    """The contracts that come with Meshplan, by name and version."""
    folder = files("meshplan.schemas") / "contracts"
    found: dict[str, ContractEntry] = {}
    for name in BUILT_IN:
        data = json.loads((folder / f"{name}.v1.json").read_text())
        contract = data.pop("contract")
        found[contract] = ContractEntry.model_validate(data)
    return found


def resolve_bindings(context: Context) -> tuple[ResolvedBinding, ...]:
    """Every binding; the tools that they make join the known capabilities."""
    if not context.mesh.bindings:
        return ()
    contracts = {**built_in_contracts(), **context.mesh.contracts}
    return tuple(
        made
        for name in sorted(context.mesh.bindings)
        if (made := _binding(context, name, context.mesh.bindings[name], contracts)) is not None
    )


def _binding(
    context: Context, name: str, binding: Binding, contracts: Mapping[str, ContractEntry]
) -> ResolvedBinding | None:
    path: Path = ("bindings", name)
    known = context.known("contract", binding.contract, contracts, (*path, "contract"))
    provided = context.known("server", binding.provider, context.mesh.servers, (*path, "provider"))
    if not known or not provided or binding.provider not in context.locks:
        return None
    contract = contracts[binding.contract]
    needed = [name for name, signature in contract.operations.items() if not signature.optional]
    for operation in context.missing((*path, "map"), needed, binding.map, contract.operations):
        context.say(
            "operation-missing",
            (*path, "map"),
            f"`{binding.contract}` needs the operation `{operation}`, which is not mapped",
            help=f"add `{operation}: {{tool: …}}`",
            key=True,
        )
    operations: dict[str, ResolvedOperation] = {}
    for operation, mapped in sorted(binding.map.items()):
        place = (*path, "map", operation)
        if not context.known("operation", operation, contract.operations, place, key=True):
            context.slipped[f"binding:{name}"] = tuple(contract.operations)
            continue
        made = _operation(context, name, binding, operation, contract.operations[operation], mapped, place)
        if made is not None:
            operations[operation] = made
    return ResolvedBinding(name, binding.contract, binding.provider, operations, path)


def _operation(
    context: Context,
    name: str,
    binding: Binding,
    operation: str,
    signature: OperationEntry,
    mapped: Mapped,
    path: Path,
) -> ResolvedOperation | None:
    tools = context.names(binding.provider, "tool")
    if not context.known("tool", mapped.tool, tools, (*path, "tool"), of=binding.provider):
        return None
    target = CapabilityKey(binding.provider, "tool", mapped.tool)
    definition = context.capabilities[target].locked.definition
    made = CapabilityKey(f"binding:{name}", "tool", operation)
    effect = context.capabilities[target].effect
    shown = {
        "name": f"{binding.as_}_{operation.lower()}",
        "description": signature.description or f"{operation} of {binding.contract}",
        "inputSchema": signature.input,
        **({"outputSchema": signature.output} if signature.output else {}),
        "annotations": {"readOnlyHint": effect == "read", "destructiveHint": effect == "destructive"},
    }
    known = context.capabilities[target]
    context.make(KnownCapability(made, locked(shown, plain=True), effect, known.effect_from, known.tags))
    return ResolvedOperation(
        target,
        _arguments(context, signature, mapped, definition, path),
        _result(context, signature, mapped, definition, path),
    )


def _arguments(
    context: Context, signature: OperationEntry, mapped: Mapped, definition: Mapping[str, Any], path: Path
) -> dict[str, JsonValue] | None:
    """IR by argument of the tool; each must exist, take what it is given, and none that is required may be left out."""
    if not mapped.in_:
        return None
    schema = cast("dict[str, Any]", definition.get("inputSchema") or {})
    properties = cast("dict[str, Any]", schema.get("properties") or {})
    required = cast("list[str]", schema.get("required") or [])
    env: Env = {"args": context.arguments(signature.input)}
    made: dict[str, JsonValue] = {}
    for argument, text in sorted(mapped.in_.items()):
        place = (*path, "in", argument)
        if context.known("argument", argument, declared_arguments(definition) or (), place, key=True):
            expected, optional = context.values(properties.get(argument, True)), argument not in required
            made[argument] = cast("JsonValue", compile_at(context, place, text, env, expected, may_be_absent=optional))
    for argument in context.missing((*path, "in"), required, mapped.in_, made):
        context.say(
            "argument-missing",
            (*path, "in"),
            f"`{mapped.tool}` needs the argument `{argument}`, which is not mapped",
            help=f'add `{argument}: "…"`',
            key=True,
        )
    return made


def _result(
    context: Context, signature: OperationEntry, mapped: Mapped, definition: Mapping[str, Any], path: Path
) -> dict[str, JsonValue] | None:
    """IR by field of the operation's output; a field that the contract promises may not be left out."""
    if not mapped.out:
        return None
    output = definition.get("outputSchema")
    env: Env = {
        "result": DYN if output is None else context.values(output),
        "args": context.arguments(signature.input),
    }
    fields = cast("dict[str, Any]", signature.output.get("properties") or {})
    required = cast("list[str]", signature.output.get("required") or [])
    made: dict[str, JsonValue] = {}
    for name, text in sorted(mapped.out.items()):
        place = (*path, "out", name)
        if context.known("field", name, fields, place, key=True):
            expected, optional = context.values(fields[name]), name not in required
            made[name] = cast("JsonValue", compile_at(context, place, text, env, expected, may_be_absent=optional))
    for name in context.missing((*path, "out"), required, mapped.out, made):
        context.say(
            "field-missing",
            (*path, "out"),
            f"the contract promises the field `{name}`, which is not mapped",
            help=f'add `{name}: "result.…"`',
            key=True,
        )
    return made
