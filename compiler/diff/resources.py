"""What else changed: servers, endpoints, names, bindings, budgets, identity, settings; keyed and leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, JsonValue

from meshplan.compiler.diff.causes import place_in
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.model import Change, Detail, Verb
from meshplan.compiler.diff.provenance import Side
from meshplan.compiler.diff.verdicts import Verdict, verdict_on
from meshplan.schemas.plan import Plan

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Section:
    """One keyed part of a plan: how its subjects are called, and where its entries are."""

    prefix: str
    entries: Callable[[Plan], Table]


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
    _Section("identity", lambda plan: {"users": plan.identity.users, "local": plan.identity.local}),
    _Section("invariant", lambda plan: plan.guardrails.invariants),
    _Section("policy", lambda plan: dict.fromkeys(plan.guardrails.policies, "used")),
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


def _data(value: Any) -> JsonValue:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else cast("JsonValue", value)


def _compared(before: Side, after: Side, subject: str, old: JsonValue, new: JsonValue) -> Change | None:
    if old == new:
        return None
    details = tuple(Detail(path, was, now) for path, was, now in leaves(old, new))
    verb: Verb = "added" if old is None else "removed" if new is None else "changed"
    verdict: Verdict = verdict_on(subject, verb, details, old, new)
    side = before if new is None else after
    place, _ = place_in(side.bundle, subject)
    return Change(
        subject=subject,
        verb="redirected" if verdict.redirected else verb,
        summary=verdict.summary,
        details=details if verb == "changed" else (),
        place=place,
        breaking=verdict.breaking,
        widening=verdict.widening,
        fingerprint=fingerprint(subject, old, new),
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
    """Advertised names that went, came with another capability behind them, or show another description."""
    for endpoint in sorted({*before.plan.endpoints} & {*after.plan.endpoints}):
        old, new = _advertised(before.plan, endpoint), _advertised(after.plan, endpoint)
        capabilities = {capability: name for name, capability in new.items()}
        for key, capability in sorted(old.items()):
            subject = f"name:{endpoint}/{key[0]}/{key[1]}"
            place, _ = place_in(after.bundle, f"offer:{endpoint}:{new.get(key, capability)}")
            if key in new and new[key] != capability:
                yield Change(
                    subject,
                    "redirected",
                    f"`{key[1]}` of `{endpoint}` now reaches `{new[key]}` instead of `{capability}`",
                    (Detail("capability", capability, new[key]),),
                    place,
                    breaking=True,
                    widening=True,
                    fingerprint=fingerprint(subject, capability, new[key]),
                )
            elif key not in new and capability in capabilities:
                now = capabilities[capability][1]
                yield Change(
                    subject,
                    "changed",
                    f"`{key[1]}` of `{endpoint}` is now called `{now}`",
                    (Detail("name", key[1], now),),
                    place,
                    breaking=True,
                    widening=False,
                    fingerprint=fingerprint(subject, key[1], now),
                )


def _advertised(plan: Plan, endpoint: str) -> dict[tuple[str, str], str]:
    """(kind, advertised name) to capability id."""
    return {(plan.capabilities[o.capability].kind, o.name): o.capability for o in plan.endpoints[endpoint].offers}
