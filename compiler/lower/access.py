"""Rules, roles, grants, and who may assert what."""

from __future__ import annotations

from meshplan.compiler.lower.servers import value
from meshplan.compiler.resolved import Resolved, ResolvedRule
from meshplan.compiler.syntax.identity import JwtIssuer, ProxyIssuer
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas import plan


def lower_access(resolved: Resolved) -> plan.Access:
    """Who may reach what."""
    return plan.Access(
        rules={rule.id: _rule(rule) for rule in sorted(resolved.rules, key=lambda rule: rule.id)},
        roles=dict(resolved.roles),
        grants=tuple(
            plan.Grant(role=g.role, to=g.to, expires=g.expires, delegated=g.delegated) for g in resolved.grants
        ),
    )


def _rule(rule: ResolvedRule) -> plan.Rule:
    return plan.Rule(
        effect=rule.effect,
        covers=tuple(sorted(key.id for key in rule.covers)),
        live=tuple(plan.LiveResources(server=server, uris=uris) for server, uris in sorted(rule.live.items())),
        endpoints=rule.endpoints,
        when=rule.when,
    )


def lower_identity(mesh: Mesh, resolved: Resolved) -> plan.Identity:
    """Who may assert what."""
    written, found = mesh.identity, resolved.identity
    users = written.users
    return plan.Identity(
        issuers={name: _issuer(issuer) for name, issuer in sorted(written.issuers.items())},
        users=None if users.issuer is None else plan.UserClaim(issuer=users.issuer, claim=users.claim),
        claims=found.claims,
        exclusive=found.exclusive,
        keys={
            name: plan.Key(sha256=key.sha256, subjects=found.keys[name], expires=key.expires)
            for name, key in sorted(written.keys.items())
        },
        local=found.local,
    )


def _issuer(issuer: JwtIssuer | ProxyIssuer) -> plan.Issuer:
    if isinstance(issuer, ProxyIssuer):
        return plan.ProxyIssuer(header=issuer.proxy_header)
    algorithms = tuple(sorted(set(issuer.algorithms)))
    return plan.JwtIssuer(
        url=issuer.jwt,
        jwks=issuer.jwks,
        audience=issuer.audience,
        algorithms=algorithms,
        scopes=tuple(sorted(set(issuer.scopes))),
        login=None
        if issuer.login is None
        else plan.Login(
            client_id=issuer.login.client_id,
            client_secret=None if issuer.login.client_secret is None else value(issuer.login.client_secret),
        ),
    )
