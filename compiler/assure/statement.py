"""An invariant as the plan carries it, read back: whom it is about, what may never be reached, and what excuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from pydantic import JsonValue

from meshplan.compiler.expressions import lower, parse
from meshplan.compiler.syntax.access import Reach
from meshplan.compiler.syntax.guardrails import Never
from meshplan.schemas import jsontext
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.expr import Ir, conjuncts

_OPPOSITES: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Excuse:
    """A condition that is enough, term by term, each as the canonical text of its IR."""

    terms: frozenset[str]
    opposites: tuple[frozenset[str], ...]
    """For each term every way to say that it does not hold."""


@dataclass(frozen=True, slots=True)
class Statement:
    """``who`` and whoever holds more may never reach all ``parts``, within one endpoint or anywhere."""

    name: str
    who: frozenset[str]
    parts: tuple[Reach, ...]
    within_endpoint: bool
    excuses: tuple[Excuse, ...]
    data: JsonValue

    def allow_excused(self, condition: str) -> bool:
        """Whether everything that an allow lets through is excused."""
        given = {jsontext.canonical(term) for term in conjuncts(cast("Ir", jsontext.parse(condition)))}
        return any(excuse.terms <= given for excuse in self.excuses)

    def deny_stops(self, condition: str) -> bool:
        """Whether a deny with a condition stops everything that is not excused."""
        ir = cast("list[Any]", jsontext.parse(condition))
        given = {jsontext.canonical(term) for term in (ir[1:] if ir[0] == "||" else [ir])}
        return any(all(ways & given for ways in excuse.opposites) for excuse in self.excuses)


def statement(name: str, data: JsonValue) -> Statement:
    """Read an invariant of a plan."""
    never = Never.model_validate(data)
    who = set[str]()
    if never.who != "anyone":
        for kind in ("user", "team", "agent", "application"):
            value: str | None = getattr(never.who, kind)
            if value is not None:
                who.add(f"{kind}:{value}")
    texts = [] if never.unless is None else [never.unless] if isinstance(never.unless, str) else never.unless
    parts = tuple(never.reach_all) if never.reach is None else (never.reach,)
    excuses = tuple(excuse for text in texts if (excuse := _excuse(text)) is not None)
    return Statement(name, frozenset(who - {ANYONE}), parts, never.within == "endpoint", excuses, data)


def _excuse(text: str) -> Excuse | None:
    """What `unless` says; text that is no expression excuses nothing, and was reported where it is written."""
    tree, _ = parse(text)
    if tree is None:
        return None
    terms = conjuncts(lower(tree))
    return Excuse(frozenset(map(jsontext.canonical, terms)), tuple(_opposites(term) for term in terms))


def _opposites(term: Ir) -> frozenset[str]:
    found: list[Any] = [["!", term]]
    if term[0] == "!":
        found.append(term[1])
    if isinstance(term[0], str) and term[0] in _OPPOSITES:
        found.append([_OPPOSITES[term[0]], *term[1:]])
    return frozenset(map(jsontext.canonical, found))
