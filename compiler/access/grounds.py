"""On what a verdict rests: every term of the capability, with what a caller has of it and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from meshplan.compiler.diff.cells import Cell, Cells
from meshplan.compiler.diff.terms import Implied, Term
from meshplan.schemas.decide import ANYONE, Principal, principal_value
from meshplan.schemas.expr import Errored, holds, load
from meshplan.schemas.plan import Plan

Truth = Literal["true", "false", "error", "open"]
"""A condition's value; `open` while the arguments that it reads are not known."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One way to be allowed or denied, for one caller: grant, role and rule, and what keeps it from applying."""

    term: Term
    effect: Literal["allow", "deny"]
    role: str
    missing: tuple[str, ...]
    """Subjects of the grant's entry that the caller does not prove."""
    ended: bool
    condition: Truth | None
    """``None`` where the rule has none."""

    @property
    def given(self) -> bool:
        """Whether the caller holds the rule today, whatever its condition says."""
        return not self.missing and not self.ended

    @property
    def applies(self) -> bool:
        """Whether the rule speaks for this call; an error lets a deny apply, and an allow not."""
        if not self.given:
            return False
        if self.effect == "allow":
            return self.condition in (None, "true", "open")
        return self.condition in (None, "true", "error")

    @property
    def certain(self) -> bool:
        """Whether it applies and waits for nothing."""
        return self.applies and self.condition != "open"


class Grounds:
    """The grounds of a plan's cells."""

    def __init__(self, plan: Plan, today: date) -> None:
        self.plan, self._today = plan, today
        days = sorted({grant.expires for grant in plan.access.grants if grant.expires is not None})
        self.cells = Cells(plan, Implied(tuple(days)))
        self._programs = {rule: load(r.when) for rule, r in plan.access.rules.items() if r.when is not None}

    def of(
        self, endpoint: str, capability: str, principal: Principal, arguments: Mapping[str, Any] | None
    ) -> tuple[Ground, ...]:
        """Allows first, then denies; ``arguments`` as they will be sent, or ``None`` where they are not known."""
        terms = self.cells.terms(Cell(endpoint, capability))
        env = {"args": dict(arguments or {}), "principal": principal_value(principal)}
        allows = [self._ground(t, principal, env, known=arguments is not None) for stage in terms.stages for t in stage]
        denies = [
            self._ground(t, principal, env, known=arguments is not None and t.capability == capability)
            for t in terms.denies
        ]
        return (*allows, *denies)

    def _ground(self, term: Term, principal: Principal, env: dict[str, Any], *, known: bool) -> Ground:
        grant = self.plan.access.grants[term.grant]
        return Ground(
            term=term,
            effect=self.plan.access.rules[term.rule].effect,
            role=grant.role,
            missing=tuple(s for s in term.given if s != ANYONE and s not in principal.subjects),
            ended=grant.expires is not None and self._today >= date.fromisoformat(grant.expires),
            condition=self._truth(term.rule, env, known=known),
        )

    def _truth(self, rule: str, env: dict[str, Any], *, known: bool) -> Truth | None:
        program = self._programs.get(rule)
        if program is None:
            return None
        if not known and "args" in program.variables:
            return "open"
        found = holds(program, env)
        if isinstance(found, Errored):
            return "error"
        return "true" if found else "false"
