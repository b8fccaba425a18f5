"""Names to things: servers, capabilities, endpoints, roles and subjects, each slip reported once with what was meant."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.resolve.access import asserted, resolve_grants, resolve_roles, resolve_rules
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.effects import known_capabilities
from meshplan.compiler.resolve.endpoints import resolve_endpoint
from meshplan.compiler.resolved import Resolved, ResolvedIdentity


def resolve(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: everything that can be resolved is, and what cannot is left out and reported."""
    if draft.mesh is None or draft.root is None:
        return draft, ()
    context = Context(draft.root, draft.mesh, draft.locks)
    context.capabilities = known_capabilities(context)
    endpoints = tuple(resolve_endpoint(context, name, draft.mesh.virtual[name]) for name in sorted(draft.mesh.virtual))
    rules = resolve_rules(context)
    resolved = Resolved(
        capabilities=context.capabilities,
        endpoints=endpoints,
        rules=rules,
        roles=resolve_roles(context, rules),
        grants=resolve_grants(context),
        identity=_identity(context),
    )
    return replace(draft, resolved=resolved), tuple(context.found)


def _identity(context: Context) -> ResolvedIdentity:
    identity = context.mesh.identity
    return ResolvedIdentity(
        keys={name: asserted(context, key, ("identity", "keys", name)) for name, key in sorted(identity.keys.items())},
        local=None if identity.local is None else asserted(context, identity.local, ("identity", "local")),
    )
