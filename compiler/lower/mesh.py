"""Resolved mesh to plan: every default applied, every wildcard expanded, every order made one."""

from __future__ import annotations

from meshplan.compiler.draft import Draft
from meshplan.compiler.lower.access import lower_access, lower_identity
from meshplan.compiler.lower.endpoints import lower_binding, lower_endpoint, lower_workflow
from meshplan.compiler.lower.servers import lower_server
from meshplan.compiler.lower.settings import lower_settings
from meshplan.compiler.lower.spending import lower_budget, lower_price
from meshplan.compiler.resolved import Resolved
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas import plan
from meshplan.schemas.capability import CapabilityKey


def lower_mesh(mesh: Mesh, resolved: Resolved, draft: Draft) -> plan.Plan:
    """The plan of a mesh in which everything is resolved."""
    used = used_capabilities(resolved)
    return plan.Plan(
        format=plan.FORMAT,
        mesh=mesh.name,
        environment=draft.environment,
        servers={
            name: lower_server(name, server, draft.locks.get(name)) for name, server in sorted(mesh.servers.items())
        },
        capabilities={
            key.id: plan.Capability(
                server=key.server,
                kind=key.kind,
                name=key.name,
                definition=known.locked.digest,
                effect=known.effect,
                effect_from=known.effect_from,
                tags=known.tags,
            )
            for key, known in sorted(resolved.capabilities.items())
            if key in used
        },
        bindings={binding.name: lower_binding(binding) for binding in resolved.bindings},
        workflows={workflow.name: lower_workflow(workflow) for workflow in resolved.workflows},
        endpoints={e.name: lower_endpoint(e, mesh.virtual[e.name]) for e in resolved.endpoints},
        access=lower_access(resolved),
        identity=lower_identity(mesh, resolved),
        prices={key.id: lower_price(price) for key, price in sorted(resolved.prices.items())},
        budgets={budget.name: lower_budget(budget) for budget in resolved.budgets},
        guardrails=plan.Guardrails(policies=dict(resolved.policies), invariants=dict(resolved.invariants)),
        runtime=lower_settings(mesh.runtime, resolved.operators),
    )


def used_capabilities(resolved: Resolved) -> set[CapabilityKey]:
    """What the plan speaks of: offered, covered by a rule, called by a binding or workflow, priced or budgeted."""
    used = {offer.capability for endpoint in resolved.endpoints for offer in endpoint.offers}
    used |= {key for rule in resolved.rules for key in rule.covers}
    used |= {operation.capability for binding in resolved.bindings for operation in binding.operations.values()}
    used |= {step.capability for workflow in resolved.workflows for step in workflow.steps}
    used |= set(resolved.prices)
    used |= {key for budget in resolved.budgets for key in budget.covers or ()}
    return used
