"""What else changed: servers, endpoints, names, bindings, budgets, identity, settings; keyed and leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

from pydantic import BaseModel, JsonValue

from meshplan.compiler.diff.edits import place_in
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.leaves import MAX_LEAVES
from meshplan.compiler.diff.model import Change, Detail, Verb
from meshplan.compiler.diff.patches import patch_of_subject
from meshplan.compiler.diff.provenance import Side
from meshplan.compiler.diff.verdicts import Verdict, verdict_on
from meshplan.schemas.plan import Offer, Plan

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Section:
    """One keyed part of a plan: how its subjects are called, and where its entries are."""

    prefix: str
    entries: Callable[[Plan], Table]


def _identity(plan: Plan) -> dict[str, Any]:
    exclusive = [list(subjects) for subjects in plan.identity.exclusive]
    return {"users": plan.identity.users, "local": plan.identity.local} | (
        {"exclusive": exclusive} if exclusive else {}
    )


SECTIONS: tuple[_Section, ...] = (
    _Section("server", lambda plan: plan.servers),
    _Section("endpoint", lambda plan: {name: _endpoint(endpoint) for name, endpoint in plan.endpoints.items()}),
    _Section("binding", lambda plan: plan.bindings),
    _Section("workflow", lambda plan: plan.workflows),
    _Section("budget", lambda plan: plan.budgets),
    _Section("price", lambda plan: plan.prices),
    _Section("issuer", lambda plan: plan.identity.issuers),
    _Section("key", lambda plan: plan.identity.keys),
    _Section("claim", lambda plan: {claim.subject: claim for claim in plan.identity.claims}),
    _Section("identity", _identity),
    _Section("tags", lambda plan: {name: list(c.tags) for name, c in plan.capabilities.items() if c.tags}),
    _Section("invariant", lambda plan: plan.guardrails.invariants),
    _Section("policy", lambda plan: plan.guardrails.policies),
    _Section("runtime", lambda plan: plan.runtime.model_dump(mode="json")),
)


def _endpoint(endpoint: Any) -> dict[str, Any]:
    """What is compared of an endpoint besides its offers, whose access and names are compared apart."""
    return {
        "description": endpoint.description,
        "strategy": endpoint.strategy.model_dump(mode="json"),
        "live": list(endpoint.live),
        "max_tokens": endpoint.max_tokens,
    }


def resource_changes(before: Side, after: Side) -> tuple[Change, ...]:
    """Every keyed entry that was added, removed, changed or redirected; the most dangerous first."""
    found: list[Change] = []
    for section in SECTIONS:
        old, new = section.entries(before.plan), section.entries(after.plan)
        for name in sorted({*old, *new}):
            if old.get(name) == new.get(name):
                continue
            change = _compared(before, after, f"{section.prefix}:{name}", _data(old.get(name)), _data(new.get(name)))
            if change is not None:
                found.append(change)
    found += _names(before, after)
    return tuple(
        sorted(found, key=lambda c: (not (c.widening and c.breaking), not c.widening, not c.breaking, c.subject))
    )


def rewritten(before: Side, after: Side) -> tuple[Change, ...]:
    """Plans with other digests are never the same: what no rule judges is still said to be written differently."""
    if before.bundle.digest == after.bundle.digest:
        return ()
    old, new = (side.plan.model_dump(mode="json", exclude={"environment"}) for side in (before, after))
    parts = [name for name in sorted(old) if old[name] != new[name]]
    if not parts:
        return ()
    text = "written differently, with nothing gained or lost: " + ", ".join(f"`{part}`" for part in parts)
    details = tuple(Detail(path, was, now) for path, was, now in islice(leaves(old, new), MAX_LEAVES))
    sides = ({part: side[part] for part in parts} for side in (old, new))
    return (_about("plan:rest", Verdict(breaking=False, widening=False, summary=text), details, *sides),)


def _data(value: Any) -> JsonValue:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else cast("JsonValue", value)


def _compared(before: Side, after: Side, subject: str, old: JsonValue, new: JsonValue) -> Change | None:
    if old == new:
        return None
    details = tuple(Detail(path, was, now) for path, was, now in leaves(old, new))
    verb: Verb = "added" if old is None else "removed" if new is None else "changed"
    verdict: Verdict = verdict_on(subject, verb, details, old, new)
    side = before if new is None else after
    patch = patch_of_subject(before, after, subject)
    place, patched = (patch, True) if patch else place_in(side.bundle, subject)
    return Change(
        subject=subject,
        verb="redirected" if verdict.redirected else verb,
        summary=verdict.summary,
        details=details if verb == "changed" else (),
        place=place,
        breaking=verdict.breaking,
        widening=verdict.widening,
        fingerprint=fingerprint(subject, old, new),
        patched=patched,
    )


def leaves(old: JsonValue, new: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """The leaves that differ, by dotted path; lists are leaves, since their items have no names here."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from leaves(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    else:
        yield path, old, new


def _names(before: Side, after: Side) -> Iterator[Change]:
    """Advertised names that went, came with another capability behind them, or show or send something else."""
    for endpoint in sorted({*before.plan.endpoints} & {*after.plan.endpoints}):
        if before.plan.endpoints[endpoint].offers == after.plan.endpoints[endpoint].offers:
            continue
        old, new = _advertised(before.plan, endpoint), _advertised(after.plan, endpoint)
        names = {offer.capability: name for name, offer in new.items()}
        for key, offer in sorted(old.items()):
            change = _named(endpoint, key, offer, new.get(key), names.get(offer.capability))
            if change is not None:
                place, _ = place_in(after.bundle, f"offer:{endpoint}:{new.get(key, offer).capability}")
                yield replace(change, place=place)


_Name = tuple[str, str]
"""Kind and advertised name."""


def _named(endpoint: str, key: _Name, was: Offer, offer: Offer | None, moved: _Name | None) -> Change | None:
    """What became of one advertised name: ``offer`` is what it is now, ``moved`` how its capability is called now."""
    subject = f"name:{endpoint}/{key[0]}/{key[1]}"
    old, new = was.capability, None if offer is None else offer.capability
    if offer is not None and old != new:
        text = f"`{key[1]}` of `{endpoint}` now reaches `{new}` instead of `{old}`"
        verdict = Verdict(breaking=True, widening=True, summary=text, redirected=True)
        return _about(subject, verdict, (Detail("capability", old, new),), old, new)
    if offer is None and moved is not None:
        verdict = Verdict(True, False, f"`{key[1]}` of `{endpoint}` is now called `{moved[1]}`")
        return _about(subject, verdict, (Detail("name", key[1], moved[1]),), key[1], moved[1])
    if offer is None or offer == was:
        return None
    before, after = was.model_dump(mode="json"), offer.model_dump(mode="json")
    details = tuple(Detail(path, one, other) for path, one, other in leaves(before, after))
    sent = any(detail.path != "description" for detail in details)
    verdict = Verdict(
        sent, True, f"`{key[1]}` of `{endpoint}` " + ("sends other arguments" if sent else "is described otherwise")
    )
    return _about(subject, verdict, details, before, after)


def _about(subject: str, verdict: Verdict, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Change:
    return Change(
        subject,
        "redirected" if verdict.redirected else "changed",
        verdict.summary,
        details,
        None,
        verdict.breaking,
        verdict.widening,
        fingerprint(subject, old, new),
    )


def _advertised(plan: Plan, endpoint: str) -> dict[_Name, Offer]:
    return {(plan.capabilities[o.capability].kind, o.name): o for o in plan.endpoints[endpoint].offers}
