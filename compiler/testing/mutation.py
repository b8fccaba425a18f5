"""Which mutants some check kills; for each that survives, the smallest test that would kill it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from meshplan.compiler.access.judge import Judge
from meshplan.compiler.diff.access import access_changes
from meshplan.compiler.diff.model import AccessChange
from meshplan.compiler.diff.provenance import both_sides
from meshplan.compiler.testing.model import Called, Check, Listing, ReadLive, Suite
from meshplan.compiler.testing.mutants import Mutant, mutants
from meshplan.compiler.testing.run import court
from meshplan.compiler.testing.witness import Killer, killer
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.plan import Access, Plan


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no check tells from the mesh, and a test that would."""

    mutant: Mutant
    killer: Killer | None


@dataclass(frozen=True, slots=True)
class Mutation:
    """How many mutants there were, how many of them nobody could tell from the mesh, and those that survived."""

    made: int
    same: int
    survivors: tuple[Survivor, ...]

    @property
    def killed(self) -> int:
        """How many some check tells from the mesh."""
        return self.made - self.same - len(self.survivors)


Progress = Callable[[int], None]


def mutation(bundle: Bundle, suites: Sequence[Suite], today: date) -> Mutation:
    """Try every mutant; the suites must pass on the plan itself.

    A mutant that survives and gives exactly the same access to everybody is not counted against the tests.
    """
    sliced = _sliced(bundle.plan, [check for suite in suites for check in suite.checks])
    made = same = 0
    survivors: list[Survivor] = []
    for mutant in mutants(bundle):
        made += 1
        if _killed(sliced, mutant.access, bundle.definitions, suites):
            continue
        changes = _difference(bundle, mutant.access, today)
        if not changes:
            same += 1
            continue
        survivors.append(Survivor(mutant, killer(bundle, mutant.access, changes, today)))
    return Mutation(made, same, tuple(survivors))


def _killed(sliced: Plan, access: Access, definitions: Mapping[str, str], suites: Sequence[Suite]) -> bool:
    plan = sliced.model_copy(update={"access": _trimmed(access, frozenset(sliced.capabilities))})
    for suite in suites:
        asked = court(Judge(plan, definitions, suite.today))
        if any(asked.result(check).got is not None for check in suite.checks):
            return True
    return False


def _difference(bundle: Bundle, access: Access, today: date) -> tuple[AccessChange, ...]:
    other = replace(bundle, plan=bundle.plan.model_copy(update={"access": access}), ir=None)
    return access_changes(*both_sides(bundle, other), today=today)


def _sliced(plan: Plan, checks: Sequence[Check]) -> Plan:
    """The plan with only what the checks ask about: a verdict on one capability rests on no other one."""
    asked: dict[str, set[str]] = {name: set() for name in plan.endpoints}
    for check in checks:
        match check.asked:
            case Called() as what:
                asked[check.endpoint].add(what.capability)
            case Listing():
                asked[check.endpoint] |= {o.capability for o in plan.endpoints[check.endpoint].offers}
            case ReadLive():
                pass
    endpoints: dict[str, Any] = {
        name: endpoint.model_copy(update={"offers": tuple(o for o in endpoint.offers if o.capability in asked[name])})
        for name, endpoint in plan.endpoints.items()
    }
    kept = {o.capability for endpoint in endpoints.values() for o in endpoint.offers}
    kept |= {made.capability for binding in plan.bindings.values() for made in binding.operations.values()}
    capabilities = {name: known for name, known in plan.capabilities.items() if name in kept}
    access = _trimmed(plan.access, frozenset(kept))
    return plan.model_copy(update={"endpoints": endpoints, "capabilities": capabilities, "access": access})


def _trimmed(access: Access, kept: frozenset[str]) -> Access:
    rules = {
        name: rule.model_copy(update={"covers": tuple(c for c in rule.covers if c in kept)})
        for name, rule in access.rules.items()
    }
    return access.model_copy(update={"rules": rules})
