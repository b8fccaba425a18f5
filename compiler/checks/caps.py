"""Caps that would not hold: a restart would forget what was spent."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.lower.spending import lower_budget
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.schemas.budgets import is_cap


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
