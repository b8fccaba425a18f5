"""Roles, rules and grants: what each rule covers today, who inherits it, and whom each grant means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.conditions import compile_condition
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import reached
from meshplan.compiler.resolved import ResolvedGrant, ResolvedOperator, ResolvedRule
from meshplan.compiler.syntax.access import GrantEntry, Role, RuleEntry, SubjectRef
from meshplan.compiler.syntax.identity import Assertion
from meshplan.schemas import jsontext
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.surface import declared_arguments

_SECTIONS = {"team": "teams", "agent": "agents", "application": "applications"}


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
                if first is not rule and not context.lacks(path) and not context.lacks(first.path):
                    slug = "duplicate-rule-id" if entry.id else "duplicate-rule"
                    what = f"the id `{entry.id}` is used twice" if entry.id else "this rule says what another one says"
                    context.say(slug, path, f"{what} in role `{name}`", related=((first.path, "the other one"),))
    return tuple(rules.values())


def _rule(context: Context, role: str, effect: Literal["allow", "deny"], entry: RuleEntry, path: Path) -> ResolvedRule:
    covers = reached(context, entry, path)
    when: JsonValue = None
    text = _condition(context, entry, path, covers)
    if text is not None:
        place = (*path, "when") if entry.when is not None else (*path, "models")
        made, covers = compile_condition(context, place, text, effect, covers)
        when = cast("JsonValue", made)
    return ResolvedRule(
        id=f"{role}#{entry.id or _fingerprint(effect, entry)}",
        role=role,
        effect=effect,
        covers=covers,
        live=_live(context, entry),
        endpoints=_endpoints(context, entry, path),
        when=when,
        path=path,
    )


def _condition(context: Context, entry: RuleEntry, path: Path, covers: Sequence[CapabilityKey]) -> str | None:
    """`when`, with `models` as the condition that it stands for."""
    if not entry.models:
        return entry.when
    takes = [
        key for key in covers if "model" in (declared_arguments(context.capabilities[key].locked.definition) or ())
    ]
    if not takes and (covers or entry.binding is None):
        why = "this rule names none" if entry.binding is None else f"`{entry.binding}` has no argument `model`"
        message = f"`models` narrows a binding of language models, and {why}"
        context.say("models-without-binding", (*path, "models"), message, key=True)
        return entry.when
    terms = [_model_term(context, model, (*path, "models", index)) for index, model in enumerate(entry.models)]
    models = "has(args.model) && (" + " || ".join(terms) + ")"
    return models if entry.when is None else f"({entry.when}) && {models}"


def _model_term(context: Context, model: str, path: Path) -> str:
    body = model.removesuffix("*")
    if "*" in body or "?" in body:
        context.say(
            "bad-value",
            path,
            f"`{model[:80]}` has a wildcard that is not at its end",
            help="write `gpt-*` or the whole name",
        )
    quoted = json.dumps(body.replace("*", "").replace("?", ""))
    return f"args.model.startsWith({quoted})" if model.endswith("*") else f"args.model == {quoted}"


def _fingerprint(effect: str, entry: RuleEntry) -> str:
    """The same rule has the same id wherever it stands, so that re-ordering changes nothing."""
    text = jsontext.whole([effect, _normal(entry.model_dump(mode="json", exclude_none=True))])
    return jsontext.digest(text).removeprefix("sha256:")[:12]


def _normal(value: Any) -> Any:
    """Lists in a rule are sets."""
    if isinstance(value, list):
        return sorted((_normal(item) for item in cast("list[Any]", value)), key=str)
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in cast("dict[str, Any]", value).items()}
    return value


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


def _live(context: Context, entry: RuleEntry) -> dict[str, tuple[str, ...]]:
    """Which live resources a rule means: those are read, so a rule on other effects means none."""
    effects = {entry.effect} if isinstance(entry.effect, str) else set(entry.effect or ("read",))
    if "read" not in effects or entry.binding or entry.workflow or entry.tag:
        return {}
    named = [entry.server] if isinstance(entry.server, str) else entry.server
    servers = [name for name in (named or sorted(context.mesh.servers)) if name in context.mesh.servers]
    if entry.resources is None:
        has_kinds = any(getattr(entry, key) is not None for key in ("tools", "prompts", "templates"))
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
                    "roles extend each other in a circle: " + " → ".join(f"`{m}`" for m in [*members, members[0]])
                    if len(members) > 1
                    else f"the role `{name}` extends itself",
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
        subjects = conjunction(context, reference, place)
        if subjects:
            found.add(subjects)
    return tuple(sorted(found))


def conjunction(context: Context, reference: SubjectRef, path: Path) -> tuple[str, ...] | None:
    """The subjects that one entry names together, or ``None`` where a name is wrong or there is none."""
    subjects: list[str] = []
    right = True
    for kind in ("user", *_SECTIONS):
        name: str | None = getattr(reference, kind)
        if name is None:
            continue
        right = _is_declared(context, kind, name, (*path, kind)) and right
        subjects.append(f"{kind}:{name}")
    if reference.anyone is not None:
        subjects.append(ANYONE)
    if not subjects and not context.lacks(path):
        context.say("grant-to-nobody", path, "this entry names nobody", help="write `{team: NAME}` or the like")
    return tuple(sorted(subjects)) if right and subjects else None


def _is_declared(context: Context, kind: str, name: str, path: Path) -> bool:
    """Whether somebody may assert the subject; users of an issuer are too many to be declared one by one."""
    users = context.mesh.identity.users
    if kind == "user":
        return users.issuer is not None or context.known("user", name, users.named, path)
    return context.known(kind, name, getattr(context.mesh.identity, _SECTIONS[kind]), path)


def resolve_operators(context: Context) -> tuple[ResolvedOperator, ...]:
    """Who may look, in a stable order; one that names a wrong endpoint sees nothing rather than more."""
    found: set[ResolvedOperator] = set()
    for index, entry in enumerate(context.mesh.runtime.operators):
        path: Path = ("runtime", "operators", index)
        to = conjunction(context, entry, path)
        places = [(*path, "endpoints", number) for number in range(len(entry.endpoints))]
        named = zip(entry.endpoints, places, strict=True)
        known = [name for name, place in named if context.known("endpoint", name, context.mesh.virtual, place)]
        if to:
            found.add(ResolvedOperator(to, tuple(sorted(set(known))) if entry.endpoints else None))
    return tuple(sorted(found, key=lambda one: (one.to, one.endpoints or ())))


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
        if name is not None and _is_declared(context, kind, name, place):
            subjects.append(f"{kind}:{name}")
    return tuple(sorted(set(subjects)))
