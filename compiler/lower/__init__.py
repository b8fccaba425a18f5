"""The pass that makes the plan; what it needs of the plan's models is imported when there is one to make."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft


def lower(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: makes the plan once everything is resolved."""
    from meshplan.compiler.lower.mesh import lower_mesh

    if draft.mesh is None or draft.resolved is None:
        return draft, ()
    return replace(draft, plan=lower_mesh(draft.mesh, draft.resolved, draft)), ()
