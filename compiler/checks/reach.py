"""Things that are declared and that nobody can reach."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.resolved import Resolved, ResolvedRule
from meshplan.compiler.rules import report
from meshplan.compiler.syntax.virtual import ServerInclude
from meshplan.schemas.capability import CapabilityKey


def silent_endpoints(draft: Draft) -> list[Diagnostic]:
    """An endpoint that would list nothing for everybody."""
    resolved = _resolved(draft)
    held = {rule for grant in resolved.grants for rule in resolved.roles.get(grant.role, ())}
    reached = _reached(resolved, [rule for rule in resolved.rules if rule.id in held])
    return [
        _at(
            draft,
            "silent-endpoint",
            ("virtual", endpoint.name),
            f"`{endpoint.name}` would list nothing for everybody",
            "grant a role whose allow rules cover something that it offers",
        )
        for endpoint in resolved.endpoints
        if (endpoint.offers or endpoint.live) and not any(endpoint.name in names for names in reached.values())
    ]


def _reached(resolved: Resolved, rules: Iterable[ResolvedRule]) -> dict[str, set[str]]:
    """Each allow's id to the endpoints of which it covers something that is offered."""
    offered: dict[CapabilityKey | str, set[str]] = {}
    for endpoint in resolved.endpoints:
        for thing in (*(offer.capability for offer in endpoint.offers), *endpoint.live):
            offered.setdefault(thing, set()).add(endpoint.name)
    found: dict[str, set[str]] = {}
    for rule in rules:
        if rule.effect == "allow":
            names = {name for thing in (*rule.covers, *rule.live) for name in offered.get(thing, ())}
            found[rule.id] = names if rule.endpoints is None else names.intersection(rule.endpoints)
    return found


def dead_rules(draft: Draft) -> list[Diagnostic]:
    """An allow that covers nothing that any of its endpoints offers; a deny may well guard what is not there yet."""
    resolved = _resolved(draft)
    reached = _reached(resolved, resolved.rules)
    return [
        _at(
            draft,
            "dead-rule",
            rule.path,
            "this allow covers nothing that an endpoint offers",
            "offer it in `virtual`, or remove the rule",
        )
        for rule in resolved.rules
        if not reached.get(rule.id, {""})
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
