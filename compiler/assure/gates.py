"""The guards of the side before judge a change, too, as that side understood them, so that it cannot argue its way past.

What the base said of a capability's effect and tags counts beside what the change says now; of two promises that
nobody holds two subjects, only those that both sides make are relied on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

from pydantic import JsonValue

from meshplan.compiler.assure.cells import Atlas
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import Label, labels_of, labels_of_plan
from meshplan.compiler.assure.policies import judged_by
from meshplan.compiler.assure.policing import place, sentence, world_of
from meshplan.compiler.assure.statement import statement
from meshplan.compiler.assure.thing import Thing
from meshplan.compiler.assure.verdict import Verdict
from meshplan.compiler.assure.words import result, steps
from meshplan.compiler.diff.edits import place_in
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.model import Change, Detail, Gate, Place
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import Locked
from meshplan.compiler.render.diff.order import GUARDS
from meshplan.compiler.resolve.effects import annotated, effect_of, tags_of
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import EFFECTS, CapabilityKey


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a change as plans, and as compiled sources where those are at hand."""

    base: Bundle
    head: Bundle
    base_draft: Draft | None
    head_draft: Draft | None


def gated(sides: Sides, changes: tuple[Change, ...], today: date) -> tuple[tuple[Gate, ...], tuple[Change, ...]]:
    """Judge the head by the base's guards: what each says, and a change to agree to for each that is broken.

    ``changes`` are the resource changes between the two, acknowledged where they are; a guard that was taken away or
    changed with everybody's agreement is let go.
    """
    known = {change.subject: change for change in changes}
    gates: list[Gate] = []
    found: list[Change] = []
    for verdict in _verdicts(sides, known, today):
        gates.append(_gate(verdict.statement.name, result(verdict), known, "invariant", holds=verdict.holds))
        if not verdict.holds:
            found.append(_broken(sides.head, verdict))
    for name, (text, change) in _policies(sides, known, today).items():
        gates.append(_gate(name, text, known, "policy", holds=change is None))
        found += [] if change is None else [change]
    for kind, guards in _guards(sides.base).items():
        for name in guards:
            if _let_go(known, f"{kind}:{name}"):
                fate = f"{_fate(known[f'{kind}:{name}'])}, as was agreed"
                gates.append(Gate(f"{kind} {name}", holds=True, text=fate, open=False))
    return tuple(sorted(gates, key=lambda gate: (not gate.open, gate.name))), tuple(found)


def _guards(base: Bundle) -> dict[str, Mapping[str, Any]]:
    guardrails = base.plan.guardrails
    return {"invariant": guardrails.invariants, "policy": guardrails.policies}


def _let_go(known: Mapping[str, Change], subject: str) -> bool:
    return subject in known and known[subject].acknowledged is not None


def _verdicts(sides: Sides, known: Mapping[str, Change], today: date) -> tuple[Verdict, ...]:
    kept = [
        statement(name, data)
        for name, data in sides.base.plan.guardrails.invariants.items()
        if not _let_go(known, f"invariant:{name}")
    ]
    promised = sides.base.plan.identity.exclusive
    exclusive = [group for group in promised if group in sides.head.plan.identity.exclusive]
    readings = [base_labels(sides), labels_of_plan(sides.head.plan)]
    return judge_all(Atlas(sides.head.plan, today), kept, readings, exclusive)


def _policies(sides: Sides, known: Mapping[str, Change], today: date) -> dict[str, tuple[str, Change | None]]:
    """The base's mandatory policies; they are judged over sources, so a plan alone cannot be."""
    draft = sides.head_draft
    policies = {
        name: cast("Mapping[str, Any]", data)
        for name, data in sides.base.plan.guardrails.policies.items()
        if cast("Mapping[str, Any]", data)["level"] == "mandatory" and not _let_go(known, f"policy:{name}")
    }
    if draft is None or draft.resolved is None or not policies:
        return dict.fromkeys(policies, ("is not judged: the side after has no sources", None))
    labels = {**labels_of(draft.resolved), **base_labels(sides)}
    found: dict[str, list[Thing]] = {name: [] for name in policies}
    for finding in judged_by(cast("Mapping[str, JsonValue]", policies), world_of(draft, labels), today):
        if finding.excepted is None:
            found[finding.policy].append(finding.thing)
    return {name: _against(name, policies[name], things, draft) for name, things in found.items()}


def _against(name: str, policy: Mapping[str, Any], things: list[Thing], draft: Draft) -> tuple[str, Change | None]:
    if not things:
        return "is kept", None
    said = [sentence(policy, thing) for thing in things]
    span = place(draft, things[0])
    change = Change(
        subject=f"gate:{name}",
        verb="changed",
        summary=f"by the rules before this change, policy `{name}` is broken: {said[0]}",
        details=tuple(Detail(thing.subject, None, text) for thing, text in zip(things, said, strict=True)),
        place=Place(span.file, span.line, span.column),
        breaking=False,
        widening=True,
        fingerprint=fingerprint(f"gate:{name}", dict(policy), sorted(thing.subject for thing in things)),
    )
    return f"is broken: {said[0]}", change


def _gate(name: str, text: str, known: Mapping[str, Change], kind: str, *, holds: bool) -> Gate:
    change = known.get(f"{kind}:{name}")
    if change is not None:
        text = f"{_fate(change)}; as it was, it {text}"
    return Gate(f"{kind} {name}", holds, text, open=change is not None or not holds)


def _fate(change: Change) -> str:
    return "is taken away" if change.verb == "removed" else "says something else"


def _broken(head: Bundle, verdict: Verdict) -> Change:
    """A violation as a change that can be agreed to: with exactly these principals and capabilities, and no others."""
    name = verdict.statement.name
    form = [[[list(map(str, spot)) for spot in c.spots], sorted(c.reached.subjects)] for c in verdict.found]
    details: list[Detail] = []
    found_at = None
    for step in steps(head.plan, verdict.found[0]) if verdict.found else ():
        at, _ = place_in(head, step.source)
        found_at = found_at or at
        where = f" ({at.file}:{at.line})" if at else ""
        details.append(Detail(step.source, None, f"{step.text}{where}"))
    return Change(
        subject=f"gate:{name}",
        verb="changed",
        summary=f"by the rules before this change, invariant `{name}` {result(verdict)}",
        details=tuple(details),
        place=found_at,
        breaking=False,
        widening=True,
        fingerprint=fingerprint(f"gate:{name}", verdict.statement.data, form or "unproved"),
    )


def base_labels(sides: Sides) -> dict[str, Label]:
    """The base's reading of what the head offers: its own label, or for what is new its patterns, or the annotation.

    A new server's own declarations are not relied on. Tags of both sides count.
    """
    base, head = sides.base, sides.head
    known = labels_of_plan(base.plan)
    found: dict[str, Label] = {}
    for name, capability in head.plan.capabilities.items():
        key = CapabilityKey.of(name)
        label = known.get(name) or _locked(base, name)
        if label is None and ":" not in key.server:
            definition = cast("Mapping[str, Any]", jsontext.parse(head.definitions[capability.definition]))
            label = _new(sides.base_draft, key, definition)
        if label is not None:
            found[name] = replace(label, tags=tuple(sorted({*label.tags, *capability.tags})))
    return found


def _locked(base: Bundle, name: str) -> Label | None:
    """What the base had locked and not used."""
    entry = base.source_map.get(f"locked:{name}")
    if entry is None or entry[3] not in EFFECTS:
        return None
    return Label(next(effect for effect in EFFECTS if effect == entry[3]), "declared")


def _new(base_draft: Draft | None, key: CapabilityKey, definition: Mapping[str, Any]) -> Label:
    if key.kind != "tool":
        return Label("read", "declared")
    server = None if base_draft is None or base_draft.mesh is None else base_draft.mesh.servers.get(key.server)
    if server is None:
        return Label(*annotated(definition))
    locked = Locked("", "", definition)
    return Label(*effect_of(server, key, locked), tags_of(server, key))


def stands_open(changes: tuple[Change, ...]) -> Iterator[Change]:
    """The changes of guards that nobody agreed to: they hold a change back whether or not anybody asks."""
    for change in changes:
        if change.acknowledged is None and change.widening and change.subject.startswith(GUARDS):
            yield change
