"""Workflows: steps that call locked tools, each seeing the input and the steps before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import DYN, Env, Field, Type, arguments, record
from meshplan.compiler.lockfile import locked
from meshplan.compiler.resolve.conditions import compile_at
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolved import KnownCapability, ResolvedStep, ResolvedWorkflow
from meshplan.compiler.syntax.orchestration import Step, Workflow
from meshplan.schemas.capability import EFFECTS, CapabilityKey, Effect
from meshplan.schemas.surface import declared_arguments


def resolve_workflows(context: Context) -> tuple[ResolvedWorkflow, ...]:
    """Every workflow; the tools that they make join the known capabilities."""
    return tuple(_workflow(context, name, context.mesh.workflows[name]) for name in sorted(context.mesh.workflows))


def _workflow(context: Context, name: str, workflow: Workflow) -> ResolvedWorkflow:
    path: Path = ("workflows", name)
    given = arguments(workflow.input)
    before: dict[str, Type | Field] = {}
    steps: list[ResolvedStep] = []
    for index, step in enumerate(workflow.steps):
        place = (*path, "steps", index)
        if step.name in before:
            first = next(i for i, other in enumerate(workflow.steps) if other.name == step.name)
            related = (((*path, "steps", first, "name"), "first used here"),)
            context.say("duplicate-step", (*place, "name"), f"two steps are named `{step.name}`", related=related)
        env: Env = {"input": given, "steps": record(**before)}
        later = {other.name: _LATER for other in workflow.steps[index:] if other.name not in before}
        made, result = _step(context, step, env, place, later)
        before[step.name] = Field(result, required=step.when is None and step.on_error == "fail")
        if made is not None:
            steps.append(made)
    output = compile_at(context, (*path, "output"), workflow.output, {"input": given, "steps": record(**before)}, DYN)
    made_tool = CapabilityKey(f"workflow:{name}", "tool", name)
    effect = _join([context.capabilities[step.capability].effect for step in steps])
    tags = {tag for step in steps for tag in context.capabilities[step.capability].tags}
    shown = {
        "name": name,
        "description": workflow.description or f"the workflow {name}",
        "inputSchema": workflow.input,
        "annotations": {"readOnlyHint": effect == "read", "destructiveHint": effect == "destructive"},
    }
    context.make(KnownCapability(made_tool, locked(shown, plain=True), effect, "declared", tuple(sorted(tags))))
    return ResolvedWorkflow(name, workflow.run_as, tuple(steps), cast("JsonValue", output), path)


_LATER = "a step sees only the steps before it"


def _join(effects: list[Effect]) -> Effect:
    """The most severe; nothing known is the most severe of all."""
    return max(effects, key=EFFECTS.index) if effects else "destructive"


def _step(
    context: Context, step: Step, env: Env, path: Path, later: Mapping[str, str]
) -> tuple[ResolvedStep | None, Type]:
    """The step, and the type of what later steps see of it; ``later`` is advice on names that come too late."""
    when = None if step.when is None else compile_at(context, (*path, "when"), step.when, env, advice=later)
    target = _target(context, step, (*path, "call"))
    if target is None:
        return None, DYN
    definition = context.capabilities[target].locked.definition
    made = _arguments(context, step, definition, env, (*path, "with"), later)
    output = definition.get("outputSchema")
    result = DYN if output is None else context.values(output)
    return ResolvedStep(step.name, target, made, cast("JsonValue", when), step.on_error, step.timeout), result


def _target(context: Context, step: Step, path: Path) -> CapabilityKey | None:
    server, _, tool = step.call.partition(".")
    first, last = (step.call, 0, len(server)), (step.call, len(server) + 1, len(step.call))
    if not context.known("server", server, context.mesh.servers, path, stretch=first) or server not in context.locks:
        return None
    if not context.known("tool", tool, context.names(server, "tool"), path, of=server, stretch=last):
        return None
    return CapabilityKey(server, "tool", tool)


def _arguments(
    context: Context, step: Step, definition: Mapping[str, Any], env: Env, path: Path, later: Mapping[str, str]
) -> dict[str, JsonValue]:
    schema = cast("dict[str, Any]", definition.get("inputSchema") or {})
    properties = cast("dict[str, Any]", schema.get("properties") or {})
    required = cast("list[str]", schema.get("required") or [])
    made: dict[str, JsonValue] = {}
    for argument, text in sorted(step.with_.items()):
        place = (*path, argument)
        if context.known("argument", argument, declared_arguments(definition) or (), place, key=True):
            expected, optional = context.values(properties.get(argument, True)), argument not in required
            ir = compile_at(context, place, text, env, expected, may_be_absent=optional, advice=later)
            made[argument] = cast("JsonValue", ir)
    for argument in context.missing(path, required, step.with_, made):
        context.say(
            "argument-missing",
            (*path[:-1], "call"),
            f"`{step.call}` needs the argument `{argument}`, which the step does not give",
            help=f'add `{argument}: "…"` to `with`',
        )
    return made
