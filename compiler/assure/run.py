"""The pass that judges a plan by its own guards; what judges is only loaded where there are any."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft


def guarded(draft: Draft) -> bool:
    """Whether the mesh says anything about what may never be."""
    return draft.resolved is not None and bool(draft.resolved.invariants or draft.resolved.policies)


def assure(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: a verdict on each guard, and an error for each that does not hold."""
    if not guarded(draft):
        return draft, ()
    from meshplan.compiler.assure.judging import judged

    return judged(draft)
