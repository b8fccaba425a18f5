"""Verdicts in words: who reaches what, by which grant and rule, and what would put an end to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

from meshplan.compiler.assure.cells import Spot, Way
from meshplan.compiler.assure.judge import Reached
from meshplan.compiler.assure.verdict import Counterexample, Verdict
from meshplan.compiler.expressions import show
from meshplan.compiler.render.view import visible
from meshplan.compiler.render.words import counted
from meshplan.schemas import jsontext
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.expr import Ir
from meshplan.schemas.plan import Plan

_LONG = 80


def result(verdict: Verdict) -> str:
    """`holds for 12 capabilities; rests on 3 annotated and 1 assumed effects`, without the name."""
    if verdict.unproved:
        said = "is not proved: there are too many combinations to try"
    elif verdict.found:
        said = f"does not hold: {broken(verdict.found[0])}"
    else:
        said = f"holds; {verdict.meant} {'capability' if verdict.meant == 1 else 'capabilities'} in its way"
    rests = rests_on(verdict)
    return said + (f"; {rests}" if rests else "")


def rests_on(verdict: Verdict) -> str:
    """How many labels that nobody declared decided."""
    parts = [f"{n} {what}" for n, what in ((verdict.annotated, "annotated"), (verdict.assumed, "assumed")) if n]
    only_one = verdict.annotated + verdict.assumed == 1
    return f"rests on {' and '.join(parts)} {'effect' if only_one else 'effects'}" if parts else ""


def broken(counterexample: Counterexample) -> str:
    """`team:ext` together with `team:eng` can reach `github.delete_repo` through `engineering`, if `…`."""
    spots, reached = counterexample
    conditions = [condition(way.condition) for way in _ways(reached) if way.condition]
    until = f" until {reached.on.isoformat()}" if reached.on is not None else ""
    doubt = f", if {' and '.join(dict.fromkeys(conditions))}" if conditions else ""
    return f"{principal(reached.subjects)} can reach {_together(spots)}{doubt}{until}"


def principal(subjects: Iterable[str]) -> str:
    """Somebody who holds these."""
    held = [f"`{visible(subject[:_LONG])}`" for subject in sorted(subjects)]
    return " with ".join(held) if held else "everybody who is known"


def thing(spot: Spot) -> str:
    """What is reached."""
    key = CapabilityKey.of(spot.capability)
    if spot.live:
        return f"live resources `{visible(key.name[:_LONG])}` of `{key.server}`"
    what = "" if key.kind == "tool" else f"{key.kind} "
    through = f" by way of `{_name(CapabilityKey.of(spot.through))}`" if spot.through else ""
    return f"{what}`{_name(key)}`{through}"


def _name(key: CapabilityKey) -> str:
    return visible(f"{key.server}.{key.name}"[:_LONG])


def _together(spots: tuple[Spot, ...]) -> str:
    endpoints = list(dict.fromkeys(spot.endpoint for spot in spots))
    if len(endpoints) == 1:
        return f"{_listed([thing(spot) for spot in spots])} through `{endpoints[0]}`"
    return _listed([f"{thing(spot)} through `{spot.endpoint}`" for spot in spots])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def condition(text: str) -> str:
    """A condition's IR in the expression language."""
    return f"`{visible(show(cast('Ir', jsontext.parse(text)))[:200])}`"


def _ways(reached: Reached) -> Iterator[Way]:
    for _, ways in reached.ways:
        yield from ways


class Step(NamedTuple):
    """One thing that a counterexample rests on: its logical name in the source map, and a few words on it."""

    source: str
    text: str


def steps(plan: Plan, counterexample: Counterexample) -> tuple[Step, ...]:
    """The grants and rules of a counterexample, each once."""
    found: dict[str, Step] = {}
    for number, ways in counterexample.reached.ways:
        spot = counterexample.spots[number]
        for way in ways:
            term = way.term
            role = plan.access.grants[term.grant].role
            to = principal(subject for subject in term.given if subject != "anyone")
            grant = Step(f"grant:{term.grant}", f"this grants `{role}` to {to}")
            rule = Step(f"rule:{term.rule}", f"this allows {thing(_allowed(plan, spot, way))}")
            for step in (grant, rule):
                found.setdefault(step.source, step)
    return tuple(found.values())


def _allowed(plan: Plan, spot: Spot, way: Way) -> Spot:
    """What a rule allows by itself: what is reached, or the tool by way of which it is."""
    covers = plan.access.rules[way.term.rule].covers
    direct = spot.live or not spot.through or spot.capability in covers
    return Spot(spot.endpoint, spot.capability if direct else spot.through, live=spot.live)


def way_out(verdict: Verdict) -> str:
    """What an author could do about it."""
    if verdict.unproved or not verdict.found:
        return "say it in several smaller invariants, or name fewer things in each"
    who, first = verdict.statement.who, verdict.found[0]
    more = first.reached.subjects - who
    conditions = [condition(way.condition) for way in _ways(first.reached) if way.condition]
    to = principal(who) if who else "them"
    advice = f"deny it to {to}" if who else "narrow the rule or the grant"
    if more and who:
        advice += f", or, where nobody holds {principal(who)} and {principal(more)}, say so in `identity.exclusive`"
    if conditions:
        advice += f"; where {conditions[0]} is enough, name it in `unless`"
    left = len(verdict.found) - 1
    return advice + (f"; {counted(left, 'more such case')} of this invariant" if left else "")
