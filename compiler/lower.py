"""Resolved mesh to plan: every default applied, every wildcard expanded, every order made one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.resolved import Resolved, ResolvedEndpoint, ResolvedRule
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.servers import AnyServer, HttpServer, StdioServer
from meshplan.compiler.syntax.words import EnvRef, ExecRef, FileRef
from meshplan.schemas import jsontext, plan

DEFAULT_TIMEOUT_MS = 60_000
_RELAYS: tuple[tuple[Literal["completions", "logging", "subscribe"], str, str | None], ...] = (
    ("completions", "completions", None),
    ("logging", "logging", None),
    ("subscribe", "resources", "subscribe"),
)


def lower(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: makes the plan once everything is resolved."""
    if draft.mesh is None or draft.resolved is None:
        return draft, ()
    return replace(draft, plan=_plan(draft.mesh, draft.resolved, draft)), ()


def _plan(mesh: Mesh, resolved: Resolved, draft: Draft) -> plan.Plan:
    used = {offer.capability for endpoint in resolved.endpoints for offer in endpoint.offers}
    used |= {key for rule in resolved.rules for key in rule.covers}
    return plan.Plan(
        format=plan.FORMAT,
        mesh=mesh.name,
        servers={name: _server(server, draft.locks.get(name)) for name, server in mesh.servers.items()},
        capabilities={
            key.id: plan.Capability(
                server=key.server,
                kind=key.kind,
                name=key.name,
                definition=known.locked.digest,
                effect=known.effect,
                effect_from=known.effect_from,
            )
            for key, known in resolved.capabilities.items()
            if key in used
        },
        endpoints={endpoint.name: _endpoint(endpoint) for endpoint in resolved.endpoints},
        access=plan.Access(
            rules={rule.id: _rule(rule) for rule in resolved.rules},
            roles=dict(resolved.roles),
            grants=tuple(
                plan.Grant(role=g.role, to=g.to, expires=g.expires, delegated=g.delegated) for g in resolved.grants
            ),
        ),
        identity=_identity(mesh, resolved),
        runtime=_settings(mesh),
    )


def value(written: str | EnvRef | FileRef | ExecRef) -> plan.Value:
    """A literal or a reference; a secret's value never comes this way."""
    match written:
        case EnvRef():
            return plan.FromEnv(name=written.env)
        case FileRef():
            return plan.FromFile(path=written.file)
        case ExecRef():
            return plan.FromExec(argv=tuple(written.exec))
        case _:
            return plan.Literally(value=written)


def _server(server: AnyServer, lock: ServerLock | None) -> plan.Server:
    capabilities: Mapping[str, Any] = {} if lock is None else lock.capabilities
    return plan.Server(
        transport=transport(server),
        timeout_ms=server.timeout or DEFAULT_TIMEOUT_MS,
        relays=tuple(name for name, section, flag in _RELAYS if _declares(capabilities, section, flag)),
    )


def _declares(capabilities: Mapping[str, Any], section: str, flag: str | None) -> bool:
    found = capabilities.get(section)
    return isinstance(found, dict) and (flag is None or bool(cast("dict[str, Any]", found).get(flag)))


def transport(server: AnyServer) -> plan.HttpTransport | plan.StdioTransport:
    """How the runtime reaches a server."""
    if isinstance(server, HttpServer):
        return plan.HttpTransport(
            url=server.http,
            headers={name: value(text) for name, text in sorted(server.headers.items())},
            auth=None if server.auth is None else plan.BearerAuth(token=value(server.auth.bearer)),
        )
    if isinstance(server, StdioServer):
        return plan.StdioTransport(
            argv=tuple(server.stdio),
            env={name: value(text) for name, text in sorted(server.env.items())},
            cwd=server.cwd,
        )
    raise TypeError(type(server).__name__)


def _endpoint(endpoint: ResolvedEndpoint) -> plan.Endpoint:
    return plan.Endpoint(
        description=endpoint.description,
        strategy=plan.Passthrough(),
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
    )


def _rule(rule: ResolvedRule) -> plan.Rule:
    return plan.Rule(
        effect=rule.effect,
        covers=tuple(sorted(key.id for key in rule.covers)),
        live=tuple(plan.LiveResources(server=server, uris=uris) for server, uris in sorted(rule.live.items())),
        endpoints=rule.endpoints,
        when=None,
    )


def _identity(mesh: Mesh, resolved: Resolved) -> plan.Identity:
    return plan.Identity(
        keys={
            name: plan.Key(sha256=key.sha256, subjects=resolved.identity.keys[name], expires=key.expires)
            for name, key in sorted(mesh.identity.keys.items())
        },
        local=resolved.identity.local,
    )


def _settings(mesh: Mesh) -> plan.Settings:
    runtime = mesh.runtime
    return plan.Settings(
        listen=runtime.listen,
        public_url=runtime.public_url,
        allowed_origins=tuple(sorted(set(runtime.allowed_origins))),
        limits=plan.Limits(
            body_bytes=runtime.limits.body,
            concurrency_per_principal=runtime.limits.concurrency.per_principal,
        ),
    )
