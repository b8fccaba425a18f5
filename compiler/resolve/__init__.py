"""Names to things: servers, capabilities, endpoints, roles and subjects, each slip reported once with what was meant."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.resolve.access import resolve_grants, resolve_operators, resolve_roles, resolve_rules
from meshplan.compiler.resolve.bindings import resolve_bindings
from meshplan.compiler.resolve.callable import without_uncallable
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.effects import known_capabilities
from meshplan.compiler.resolve.endpoints import resolve_endpoint
from meshplan.compiler.resolve.guardrails import resolve_invariants
from meshplan.compiler.resolve.identity import resolve_identity
from meshplan.compiler.resolve.policies import resolve_policies
from meshplan.compiler.resolve.spending import resolve_budgets, resolve_prices
from meshplan.compiler.resolve.workflows import resolve_workflows
from meshplan.compiler.resolved import Resolved


def resolve(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: everything that can be resolved is, and what cannot is left out and reported."""
    if draft.mesh is None or draft.root is None:
        return draft, ()
    context = Context.of(draft)
    context.locks = without_uncallable(context)
    context.capabilities = known_capabilities(context)
    bindings, workflows = resolve_bindings(context), resolve_workflows(context)
    endpoints = tuple(resolve_endpoint(context, name, draft.mesh.virtual[name]) for name in sorted(draft.mesh.virtual))
    rules, prices = resolve_rules(context), resolve_prices(context)
    policies = resolve_policies(context, draft.reader)
    resolved = Resolved(
        capabilities=context.capabilities,
        bindings=bindings,
        workflows=workflows,
        endpoints=endpoints,
        rules=rules,
        roles=resolve_roles(context, rules),
        grants=resolve_grants(context),
        operators=resolve_operators(context),
        identity=resolve_identity(context),
        prices=prices,
        budgets=resolve_budgets(context, prices),
        policies=policies.judged,
        invariants=resolve_invariants(context),
    )
    return replace(draft, resolved=resolved, texts={**draft.texts, **policies.texts}), context.settled()
