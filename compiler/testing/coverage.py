"""Which rules and grants some test rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meshplan.compiler.diff.edits import place_in
from meshplan.compiler.diff.model import Place
from meshplan.compiler.testing.model import Check
from meshplan.compiler.testing.run import Court
from meshplan.schemas.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Part:
    """A rule or a grant of the mesh: its logical name, what it is in words, and where it is written."""

    name: str
    text: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rules and grants there are that somebody is given, and those on which no check rests."""

    rules: int
    grants: int
    idle: tuple[Part, ...]

    @property
    def percent(self) -> float:
        """The share that some check rests on; 100 where there is nothing to rest on."""
        whole = self.rules + self.grants
        return 100.0 if not whole else 100.0 * (whole - len(self.idle)) / whole


def coverage(bundle: Bundle, court: Court, checks: Iterable[Check]) -> Coverage:
    """What the checks rest on; rules that nobody is granted are not counted, since nothing can rest on them."""
    access = bundle.plan.access
    granted = sorted({rule for grant in access.grants for rule in access.roles[grant.role]})
    used: set[str] = set()
    for check in checks:
        for rule, grant in court.reasons(check):
            used |= {f"rule:{rule}", f"grant:{grant}"}
    parts = [rule_part(bundle, rule) for rule in granted]
    parts += [grant_part(bundle, index) for index in range(len(access.grants))]
    return Coverage(len(granted), len(access.grants), tuple(part for part in parts if part.name not in used))


def rule_part(bundle: Bundle, rule: str) -> Part:
    """A rule, as a part."""
    effect = bundle.plan.access.rules[rule].effect
    return Part(f"rule:{rule}", f"{effect} rule `{rule}`", place_in(bundle, f"rule:{rule}")[0])


def grant_part(bundle: Bundle, index: int) -> Part:
    """A grant, as a part."""
    grant = bundle.plan.access.grants[index]
    who = " or ".join(" with ".join(f"`{subject}`" for subject in to) for to in grant.to)
    return Part(f"grant:{index}", f"grant of `{grant.role}` to {who}", place_in(bundle, f"grant:{index}")[0])
