"""Roles, rules and grants: what each rule covers today, who inherits it, and whom each grant means."""

from __future__ import annotations

from typing import Any, Literal, cast

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import KEY_OF, select
from meshplan.compiler.resolved import ResolvedGrant, ResolvedRule
from meshplan.compiler.syntax.access import GrantEntry, Role, RuleEntry, SubjectRef
from meshplan.compiler.syntax.identity import Assertion
from meshplan.schemas import jsontext
from meshplan.schemas.capability import KINDS, CapabilityKey, Kind
from meshplan.schemas.decide import ANYONE

_SECTIONS = {"user": "users", "team": "teams", "agent": "agents", "application": "applications"}


def resolve_rules(context: Context) -> tuple[ResolvedRule, ...]:
    """The rules of every role, each with a stable id."""
    rules: dict[str, ResolvedRule] = {}
    for name in sorted(context.mesh.roles):
        role = context.mesh.roles[name]
        for effect, entries in (("allow", role.allow), ("deny", role.deny)):
            for index, entry in enumerate(entries):
                path: Path = ("roles", name, effect, index)
                rule = _rule(context, name, "allow" if effect == "allow" else "deny", entry, path)
                first = rules.setdefault(rule.id, rule)
                if first is not rule:
                    slug = "duplicate-rule-id" if entry.id else "duplicate-rule"
                    what = f"the id `{entry.id}` is used twice" if entry.id else "this rule says what another one says"
                    context.say(slug, path, f"{what} in role `{name}`", related=((first.path, "the other one"),))
    return tuple(rules.values())


def _rule(context: Context, role: str, effect: Literal["allow", "deny"], entry: RuleEntry, path: Path) -> ResolvedRule:
    servers = _servers(context, entry, path)
    kinds: list[Kind] = [kind for kind in KINDS if getattr(entry, KEY_OF[kind]) is not None]
    covers: list[CapabilityKey] = []
    for server in servers:
        if kinds:
            for kind in kinds:
                covers += select(context, server, entry, kind, path)
        elif server in context.locks:
            covers += context.locks[server].definitions
    if entry.effect is not None:
        wanted = {entry.effect} if isinstance(entry.effect, str) else set(entry.effect)
        covers = [key for key in covers if context.capabilities[key].effect in wanted]
    return ResolvedRule(
        id=f"{role}#{entry.id or _fingerprint(effect, entry)}",
        role=role,
        effect=effect,
        covers=tuple(sorted(covers)),
        live=_live(entry, servers, has_kinds=bool(kinds)),
        endpoints=_endpoints(context, entry, path),
        path=path,
    )


def _fingerprint(effect: str, entry: RuleEntry) -> str:
    """The same rule has the same id wherever it stands, so that re-ordering changes nothing."""
    text = jsontext.canonical([effect, _normal(entry.model_dump(mode="json", exclude_none=True))])
    return jsontext.digest(text).removeprefix("sha256:")[:12]


def _normal(value: Any) -> Any:
    """Lists in a rule are sets."""
    if isinstance(value, list):
        return sorted((_normal(item) for item in cast("list[Any]", value)), key=str)
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


def _servers(context: Context, entry: RuleEntry, path: Path) -> list[str]:
    if entry.server is None:
        return sorted(context.mesh.servers)
    if isinstance(entry.server, str):
        return [entry.server] if context.known("server", entry.server, context.mesh.servers, (*path, "server")) else []
    return [
        name
        for index, name in enumerate(entry.server)
        if context.known("server", name, context.mesh.servers, (*path, "server", index))
    ]


def _endpoints(context: Context, entry: RuleEntry, path: Path) -> tuple[str, ...] | None:
    if entry.endpoint is None:
        return None
    names = [entry.endpoint] if isinstance(entry.endpoint, str) else entry.endpoint
    places = (
        [(*path, "endpoint")]
        if isinstance(entry.endpoint, str)
        else [(*path, "endpoint", i) for i in range(len(names))]
    )
    return tuple(
        sorted(
            {
                n
                for n, place in zip(names, places, strict=True)
                if context.known("endpoint", n, context.mesh.virtual, place)
            }
        )
    )


def _live(entry: RuleEntry, servers: list[str], *, has_kinds: bool) -> dict[str, tuple[str, ...]]:
    """Which live resources a rule means: those are read, so a rule on other effects means none."""
    effects = {entry.effect} if isinstance(entry.effect, str) else set(entry.effect or ("read",))
    if "read" not in effects:
        return {}
    if entry.resources is None:
        return {} if has_kinds else dict.fromkeys(servers, ("*",))
    if isinstance(entry.resources, str):
        return dict.fromkeys(servers, ("*",))
    return {server: tuple(sorted(set(entry.resources))) for server in servers}


def resolve_roles(context: Context, rules: tuple[ResolvedRule, ...]) -> dict[str, tuple[str, ...]]:
    """Role to rule ids, with everything inherited."""
    own: dict[str, list[str]] = {name: [] for name in context.mesh.roles}
    for rule in rules:
        own[rule.role].append(rule.id)
    return {name: tuple(sorted(_inherited(context, name, own, ()))) for name in sorted(context.mesh.roles)}


def _inherited(context: Context, name: str, own: dict[str, list[str]], trail: tuple[str, ...]) -> set[str]:
    role: Role = context.mesh.roles[name]
    found = set(own[name])
    for index, parent in enumerate(role.extends):
        path: Path = ("roles", name, "extends", index)
        if parent == name or parent in trail:
            members = [*trail[trail.index(parent) :], name] if parent in trail else [name]
            if name == min(members):
                context.say(
                    "role-cycle",
                    path,
                    "roles extend each other in a circle: " + " → ".join(f"`{m}`" for m in [*members, members[0]]),
                    related=[(("roles", m), f"`{m}` is part of it") for m in members if m != name],
                )
        elif context.known("role", parent, context.mesh.roles, path) if not trail else parent in context.mesh.roles:
            found |= _inherited(context, parent, own, (*trail, name))
    return found


def resolve_grants(context: Context) -> tuple[ResolvedGrant, ...]:
    """Grants in a stable order, entries of the same role kept apart."""
    grants: list[ResolvedGrant] = []
    for index, entry in enumerate(context.mesh.grants):
        path: Path = ("grants", index)
        if not context.known("role", entry.role, context.mesh.roles, (*path, "role")):
            continue
        to = _conjunctions(context, entry, path)
        if to:
            grants.append(ResolvedGrant(entry.role, to, entry.expires, entry.delegated, path))
    return tuple(sorted(grants, key=lambda g: (g.role, g.to, g.expires or "", g.delegated)))


def _conjunctions(context: Context, entry: GrantEntry, path: Path) -> tuple[tuple[str, ...], ...]:
    found: set[tuple[str, ...]] = set()
    for index, reference in enumerate(entry.to):
        place = (*path, "to", index)
        subjects = _subjects(context, reference, place)
        if subjects == ():
            context.say("grant-to-nobody", place, "this entry names nobody", help="write `{team: NAME}` or the like")
        elif subjects is not None:
            found.add(subjects)
    return tuple(sorted(found))


def _subjects(context: Context, reference: SubjectRef, path: Path) -> tuple[str, ...] | None:
    """The conjunction, or ``None`` where a name is wrong."""
    subjects: list[str] = []
    right = True
    for kind in _SECTIONS:
        name: str | None = getattr(reference, kind)
        if name is None:
            continue
        declared = _declared(context, kind)
        right = context.known(kind, name, declared, (*path, kind)) and right
        subjects.append(f"{kind}:{name}")
    if reference.anyone is not None:
        subjects.append(ANYONE)
    return tuple(sorted(subjects)) if right else None


def _declared(context: Context, kind: str) -> set[str]:
    return set(getattr(context.mesh.identity, _SECTIONS[kind]))


def asserted(context: Context, assertion: Assertion, path: Path) -> tuple[str, ...]:
    """The subjects that a credential proves, each of which must be declared."""
    subjects: list[str] = []
    entries: list[tuple[str, str | None, Path]] = [
        ("user", assertion.user, (*path, "user")),
        ("agent", assertion.agent, (*path, "agent")),
        ("application", assertion.application, (*path, "application")),
        *(("team", team, (*path, "teams", index)) for index, team in enumerate(assertion.teams)),
    ]
    for kind, name, place in entries:
        if name is not None and context.known(kind, name, _declared(context, kind), place):
            subjects.append(f"{kind}:{name}")
    return tuple(sorted(set(subjects)))
