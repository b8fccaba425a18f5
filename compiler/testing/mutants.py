"""Mutants of a plan's access: each rule and each grant dropped, inverted or widened, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshplan.compiler.testing.coverage import Part, grant_part, rule_part
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.plan import Access, Grant, LiveResources, Plan, Rule


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one part, in words, and the access that it makes."""

    part: Part
    change: str
    access: Access


def mutants(bundle: Bundle) -> Iterator[Mutant]:
    """Every mutant that is not the plan itself; parts that nobody is given are left alone."""
    plan, access = bundle.plan, bundle.plan.access
    granted = sorted({rule for grant in access.grants for rule in access.roles[grant.role]})
    for rule_id in granted:
        part = rule_part(bundle, rule_id)
        yield Mutant(part, "dropped", _without_rule(access, rule_id))
        for change, rule in _changed_rules(plan, access.rules[rule_id]):
            yield Mutant(part, change, access.model_copy(update={"rules": {**access.rules, rule_id: rule}}))
    for index, grant in enumerate(access.grants):
        part = grant_part(bundle, index)
        others = (*access.grants[:index], *access.grants[index + 1 :])
        yield Mutant(part, "dropped", access.model_copy(update={"grants": others}))
        for change, other in _changed_grants(grant):
            grants = (*access.grants[:index], other, *access.grants[index + 1 :])
            yield Mutant(part, change, access.model_copy(update={"grants": grants}))


def _without_rule(access: Access, rule_id: str) -> Access:
    return access.model_copy(
        update={
            "rules": {name: rule for name, rule in access.rules.items() if name != rule_id},
            "roles": {role: tuple(r for r in rules if r != rule_id) for role, rules in access.roles.items()},
        }
    )


def _changed_rules(plan: Plan, rule: Rule) -> Iterator[tuple[str, Rule]]:
    inverted = "deny" if rule.effect == "allow" else "allow"
    yield f"inverted to a{'n' if inverted == 'allow' else ''} {inverted}", rule.model_copy(update={"effect": inverted})
    everything = tuple(sorted(plan.capabilities))
    live = tuple(LiveResources(server=server, uris=("*",)) for server in sorted(plan.servers))
    if (rule.covers, rule.live) != (everything, live):
        yield "widened to every capability", rule.model_copy(update={"covers": everything, "live": live})
    if rule.endpoints is not None:
        yield "widened to every endpoint", rule.model_copy(update={"endpoints": None})
    if rule.when is not None:
        yield "without its condition", rule.model_copy(update={"when": None})


def _changed_grants(grant: Grant) -> Iterator[tuple[str, Grant]]:
    if grant.to != ((ANYONE,),):
        yield "widened to anyone", grant.model_copy(update={"to": ((ANYONE,),)})
    for index, to in enumerate(grant.to):
        others = (*grant.to[:index], *grant.to[index + 1 :])
        if others:
            yield f"not to {_together(to)}", grant.model_copy(update={"to": others})
        for subject in to if len(to) > 1 else ():
            less = tuple(other for other in to if other != subject)
            yield f"to {_together(less)} without `{subject}`", grant.model_copy(update={"to": (*others, less)})
    if grant.expires is not None:
        yield "without its end", grant.model_copy(update={"expires": None})
    if grant.delegated == "union":
        yield "delegated by intersection", grant.model_copy(update={"delegated": "intersection"})


def _together(to: tuple[str, ...]) -> str:
    return " with ".join(f"`{subject}`" for subject in to)
