"""Things that are declared and that nobody can reach."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.resolved import Resolved, ResolvedEndpoint, ResolvedRule
from meshplan.compiler.rules import report
from meshplan.compiler.syntax.virtual import ServerInclude


def silent_endpoints(draft: Draft) -> list[Diagnostic]:
    """An endpoint that would list nothing for everybody."""
    resolved = _resolved(draft)
    held = {rule for grant in resolved.grants for rule in resolved.roles.get(grant.role, ())}
    allows = [rule for rule in resolved.rules if rule.effect == "allow" and rule.id in held]
    return [
        _at(
            draft,
            "silent-endpoint",
            ("virtual", endpoint.name),
            f"`{endpoint.name}` would list nothing for everybody",
            "grant a role whose allow rules cover something that it offers",
        )
        for endpoint in resolved.endpoints
        if (endpoint.offers or endpoint.live) and not any(_touches(rule, endpoint) for rule in allows)
    ]


def _touches(rule: ResolvedRule, endpoint: ResolvedEndpoint) -> bool:
    if rule.endpoints is not None and endpoint.name not in rule.endpoints:
        return False
    covered = set(rule.covers)
    return any(offer.capability in covered for offer in endpoint.offers) or bool(set(rule.live) & set(endpoint.live))


def dead_rules(draft: Draft) -> list[Diagnostic]:
    """An allow that covers nothing that any of its endpoints offers; a deny may well guard what is not there yet."""
    resolved = _resolved(draft)
    return [
        _at(
            draft,
            "dead-rule",
            rule.path,
            "this allow covers nothing that an endpoint offers",
            "offer it in `virtual`, or remove the rule",
        )
        for rule in resolved.rules
        if rule.effect == "allow" and not any(_touches(rule, endpoint) for endpoint in resolved.endpoints)
    ]


def unused_roles(draft: Draft) -> list[Diagnostic]:
    """A role that is neither granted nor extended."""
    if draft.mesh is None:
        return []
    used = {grant.role for grant in draft.mesh.grants} | {p for role in draft.mesh.roles.values() for p in role.extends}
    return [
        _at(draft, "unused-role", ("roles", name), f"the role `{name}` is never granted", "grant it, or remove it")
        for name in draft.mesh.roles
        if name not in used
    ]


def unused_servers(draft: Draft) -> list[Diagnostic]:
    """A server that no virtual MCP includes."""
    if draft.mesh is None:
        return []
    includes = [include for virtual in draft.mesh.virtual.values() for include in virtual.include]
    used = {include.server for include in includes if isinstance(include, ServerInclude)}
    used |= {binding.provider for binding in draft.mesh.bindings.values()}
    used |= {step.call.partition(".")[0] for workflow in draft.mesh.workflows.values() for step in workflow.steps}
    return [
        _at(draft, "unused-server", ("servers", name), f"no virtual MCP includes `{name}`", "include it, or remove it")
        for name in draft.mesh.servers
        if name not in used
    ]


def _resolved(draft: Draft) -> Resolved:
    if draft.resolved is None:
        raise ValueError("checks run after resolve")
    return draft.resolved


def _at(draft: Draft, slug: str, path: Path, message: str, advice: str) -> Diagnostic:
    if draft.root is None:
        raise ValueError("checks run after source")
    at = locate(draft.root, path)
    span = at.key_span()
    if span.line != span.end_line:
        span = type(span)(span.file, span.line, span.column, span.line, span.column + 1, span.start, span.start + 1)
    return report(slug, span, message, help=advice)
