"""Caps that would not hold, as a restart would forget what was spent, and caps that let nothing through."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.lower.spending import lower_budget
from meshplan.compiler.marks import locate
from meshplan.compiler.resolved import ResolvedBudget, ResolvedPrice
from meshplan.compiler.rules import report
from meshplan.schemas.budgets import is_cap, money
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.globs import glob_match


def forgotten_caps(draft: Draft) -> list[Diagnostic]:
    """One finding a budget that is more than a rate limit, where nothing keeps what was spent."""
    if draft.mesh is None or draft.root is None or draft.resolved is None:
        return []
    runtime = draft.mesh.runtime
    if runtime.ledger is not None or runtime.counters is not None:
        return []
    return [
        report(
            "forgotten-cap",
            locate(draft.root, (*budget.path, "limit")).value_span(),
            f"what is spent of `{budget.name}` would be forgotten at a restart",
            help="add `runtime: {ledger: {path: ./ledger}}`, or use `on_exceed: warn`",
        )
        for budget in draft.resolved.budgets
        if is_cap(lower_budget(budget))
    ]


def caps_without_room(draft: Draft) -> list[Diagnostic]:
    """One finding a budget of money that is smaller than what one call sets aside, with all the tries that it may take."""
    if draft.root is None or draft.resolved is None:
        return []
    return [
        report(
            "no-room",
            locate(draft.root, (*budget.path, "limit")).value_span(),
            f"`{budget.name}` never lets `{key.server}.{key.name}` through: one call sets {_told(price, tries)} aside",
            help="raise the limit" + (", or try less often" if tries > 1 else ""),
        )
        for budget in draft.resolved.budgets
        for key, price, tries in _too_much(draft, budget)[:1]
    ]


def _too_much(draft: Draft, budget: ResolvedBudget) -> list[tuple[CapabilityKey, ResolvedPrice, int]]:
    """The priced tools that a refusing budget covers and has no room for, the dearest first."""
    limit = budget.budget.limit
    if draft.resolved is None or budget.budget.on_exceed == "warn":
        return []
    found = [
        (key, price, _tries(draft, key))
        for key, price in sorted(draft.resolved.prices.items())
        if price.currency == limit.unit and (budget.covers is None or key in budget.covers)
    ]
    dear = [one for one in found if _nano(one[1]) * one[2] > limit.amount]
    return sorted(dear, key=lambda one: -_nano(one[1]) * one[2])


def _nano(price: ResolvedPrice) -> int:
    most = price.price.max_per_call or price.price.per_call
    return 0 if most is None else most.nano


def _told(price: ResolvedPrice, tries: int) -> str:
    one = f"{money(_nano(price))} {price.currency}"
    return f"{tries} times {one}" if tries > 1 else one


def _tries(draft: Draft, key: CapabilityKey) -> int:
    """How often a call may be sent, as the runtime counts it."""
    if draft.mesh is None or draft.resolved is None or key.server not in draft.mesh.servers:
        return 1
    retry = draft.mesh.servers[key.server].retry
    if retry is None:
        return 1
    reads = draft.resolved.capabilities[key].effect == "read"
    return retry.attempts if reads or any(glob_match(glob, key.name) for glob in retry.idempotent) else 1
