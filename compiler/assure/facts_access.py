"""What policies may ask of access: roles, rules, grants, and the classes of principals that grants make."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.compiler.assure.thing import Thing, World
from meshplan.compiler.resolved import ResolvedBudget, ResolvedRule
from meshplan.compiler.syntax.access import RuleEntry
from meshplan.compiler.syntax.selectors import ByEffect
from meshplan.schemas.capability import EFFECTS, CapabilityKey
from meshplan.schemas.decide import ANYONE

_OTHER_KINDS = ("prompts", "resources", "templates")


def roles(world: World) -> Iterator[Thing]:
    """Every role; `orphaned` ones are extended, and only by roles that nobody is granted."""
    granted = {grant.role for grant in world.resolved.grants}
    extended = {name: {r for r, role in world.mesh.roles.items() if name in role.extends} for name in world.mesh.roles}
    for name, role in sorted(world.mesh.roles.items()):
        facts = {
            "name": name,
            "granted": name in granted,
            "orphaned": bool(extended[name]) and not (_above(name, extended) | {name}) & granted,
            "extends": list(role.extends),
            "allows": len(role.allow),
            "denies": len(role.deny),
        }
        yield Thing(f"role:{name}", f"role `{name}`", ("roles", name), facts)


def _above(name: str, extended: dict[str, set[str]]) -> set[str]:
    """The roles that hold what a role holds."""
    found: set[str] = set()
    pending = [name]
    while pending:
        more = extended.get(pending.pop(), set()) - found
        found |= more
        pending += more
    return found


def rules(world: World) -> Iterator[Thing]:
    """Every rule, where it is written."""
    granted = {grant.role for grant in world.resolved.grants}
    held: dict[str, set[str]] = {}
    for role, names in world.resolved.roles.items():
        for rule_id in names:
            held.setdefault(rule_id, set()).add(role)
    own: dict[str, list[ResolvedRule]] = {}
    for rule in world.resolved.rules:
        own.setdefault(rule.role, []).append(rule)
    for rule in world.resolved.rules:
        entry = _entry(world, rule)
        facts = {
            "id": rule.id,
            "role": rule.role,
            "effect": rule.effect,
            "granted": bool(held.get(rule.id, set()) & granted),
            "wildcard": _wildcard(entry),
            "conditional": rule.when is not None,
            "effects": _effects(world, rule.covers),
            "servers": sorted({key.server for key in rule.covers} | set(rule.live)),
            "capabilities": len(rule.covers),
            "endpoints": list(rule.endpoints or ()),
            "shadowed_by": next((other.id for other in own[rule.role] if _shadows(other, rule)), ""),
        }
        yield Thing(f"rule:{rule.id}", f"the {rule.effect} rule of role `{rule.role}`", rule.path, facts)


def _entry(world: World, rule: ResolvedRule) -> RuleEntry:
    role = world.mesh.roles[rule.role]
    return (role.allow if rule.effect == "allow" else role.deny)[int(rule.path[-1])]


def _wildcard(entry: RuleEntry) -> bool:
    """Whether a rule takes in tools of every name and effect, or of a server that is not named."""
    if entry.binding is not None or entry.workflow is not None or entry.tag is not None:
        return False
    if isinstance(entry.tools, list):
        return "*" in entry.tools
    if entry.tools is None and any(getattr(entry, kind) is not None for kind in _OTHER_KINDS):
        return False
    narrowed = entry.effect is not None or isinstance(entry.tools, ByEffect)
    return not narrowed or entry.server is None


def _effects(world: World, keys: tuple[CapabilityKey, ...]) -> list[str]:
    found = {world.labels[key.id].effect for key in keys}
    return [effect for effect in EFFECTS if effect in found]


def _shadows(other: ResolvedRule, rule: ResolvedRule) -> bool:
    """Whether an unconditional rule of the same role leaves another one nothing to decide."""
    if other is rule or other.when is not None or (rule.effect == "deny" and other.effect == "allow"):
        return False
    if other.endpoints is not None and not set(rule.endpoints or ("",)) <= set(other.endpoints):
        return False
    if not rule.covers or not set(rule.covers) <= set(other.covers) or not _live_within(rule, other):
        return False
    equal = rule.effect == other.effect and rule.when is None and _reach(rule) == _reach(other)
    return other.id < rule.id if equal else True


def _live_within(rule: ResolvedRule, other: ResolvedRule) -> bool:
    return all(
        "*" in other.live.get(server, ()) or uris == other.live.get(server) for server, uris in rule.live.items()
    )


def _reach(rule: ResolvedRule) -> object:
    return set(rule.covers), dict(rule.live), rule.endpoints


def grants(world: World) -> Iterator[Thing]:
    """Every grant, with the effects that its role's allows have."""
    by_id = {rule.id: rule for rule in world.resolved.rules}
    for index, grant in enumerate(world.resolved.grants):
        allows = [by_id[r] for r in world.resolved.roles.get(grant.role, ()) if by_id[r].effect == "allow"]
        facts = {
            "role": grant.role,
            "to": [list(conjunction) for conjunction in grant.to],
            "anyone": (ANYONE,) in grant.to,
            "expires": grant.expires,
            "delegated": grant.delegated,
            "effects": _effects(world, tuple(key for rule in allows for key in rule.covers)),
        }
        yield Thing(f"grant:{index}", f"the grant of `{grant.role}`", grant.path, facts)


def subjects(world: World) -> Iterator[Thing]:
    """Every conjunction of subjects that some grant names: the classes of principals there are."""
    seen: dict[tuple[str, ...], list[int]] = {}
    for index, grant in enumerate(world.resolved.grants):
        for conjunction in grant.to:
            seen.setdefault(conjunction, []).append(index)
    for conjunction, indexes in sorted(seen.items()):
        name = " and ".join(conjunction)
        facts = {
            "name": name,
            "subjects": list(conjunction),
            "roles": sorted({world.resolved.grants[index].role for index in indexes}),
            "budgets": [b.name for b in world.resolved.budgets if _bounds(b, conjunction)],
        }
        first = world.resolved.grants[indexes[0]]
        yield Thing(f"subject:{'+'.join(conjunction)}", f"`{name}`", first.path, facts)


def _bounds(budget: ResolvedBudget, conjunction: tuple[str, ...]) -> bool:
    """Whether a budget counts everybody who holds all of this; a budget for each user counts whoever is one."""
    if budget.of is not None:
        return set(budget.of) - {ANYONE} <= set(conjunction)
    each = budget.budget.each
    if each is None:
        return True
    kinds = {subject.partition(":")[0] for subject in conjunction}
    return each in kinds or (each == "user" and not kinds & {"agent", "application"})
