"""Endpoints with `max_tokens`: only where there is one are definitions counted, and what counting needs imported."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft


def over_budget_surfaces(draft: Draft) -> list[Diagnostic]:
    """The whole surface is judged, whoever may see less of it."""
    if draft.mesh is None or all(virtual.max_tokens is None for virtual in draft.mesh.virtual.values()):
        return []
    from meshplan.compiler.checks.surfaces import judged_surfaces

    return judged_surfaces(draft)
