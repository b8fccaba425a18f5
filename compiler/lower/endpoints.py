"""Endpoints with their offers and strategies, and the tools that the mesh makes of others."""

from __future__ import annotations

from meshplan.compiler.resolved import ResolvedBinding, ResolvedEndpoint, ResolvedWorkflow
from meshplan.compiler.syntax import virtual as written
from meshplan.schemas import jsontext, plan


def lower_endpoint(endpoint: ResolvedEndpoint, virtual: written.Virtual) -> plan.Endpoint:
    """One endpoint."""
    return plan.Endpoint(
        description=endpoint.description,
        strategy=_strategy(virtual.strategy),
        offers=tuple(
            plan.Offer(
                capability=offer.capability.id,
                name=offer.name,
                description=offer.description,
                set={name: jsontext.canonical(text) for name, text in sorted(offer.set.items())},
                hide=offer.hide,
            )
            for offer in endpoint.offers
        ),
        live=tuple(sorted(endpoint.live)),
        max_tokens=virtual.max_tokens,
    )


def _strategy(strategy: str | written.Written) -> plan.Strategy:
    match strategy:
        case "search":
            return _strategy(written.Search(search=written.SearchSettings()))
        case "code":
            return _strategy(written.Code(code=written.CodeSettings()))
        case written.Search():
            search = strategy.search
            return plan.Search(
                max_results=search.max_results, pinned=tuple(sorted(set(search.pinned))), ranker=search.ranker
            )
        case written.Code():
            code = strategy.code
            return plan.Code(
                wall_ms=code.wall,
                memory_bytes=code.memory,
                calls=code.calls,
                output_bytes=code.output,
                logs_bytes=code.logs,
            )
        case written.Plugin():
            plugin = strategy.plugin
            settings = jsontext.canonical(plugin.settings)
            return plan.Plugin(name=plugin.name, version=plugin.version, settings=settings)
        case _:
            return plan.Passthrough()


def lower_binding(binding: ResolvedBinding) -> plan.Binding:
    """One binding."""
    return plan.Binding(
        contract=binding.contract,
        provider=binding.provider,
        operations={
            name: plan.Operation(
                capability=operation.capability.id,
                arguments=None if operation.arguments is None else dict(operation.arguments),
                result=None if operation.result is None else dict(operation.result),
            )
            for name, operation in sorted(binding.operations.items())
        },
    )


def lower_workflow(workflow: ResolvedWorkflow) -> plan.Workflow:
    """One workflow."""
    return plan.Workflow(
        run_as=workflow.run_as,
        steps=tuple(
            plan.Step(
                name=step.name,
                capability=step.capability.id,
                arguments=dict(step.arguments),
                when=step.when,
                on_error=step.on_error,
                timeout_ms=step.timeout_ms,
            )
            for step in workflow.steps
        ),
        output=workflow.output,
    )
