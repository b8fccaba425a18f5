"""Sections that the plan carries and that nothing judges yet: said aloud, so that nobody relies on them."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report


def not_judged_yet(draft: Draft) -> list[Diagnostic]:
    """One advice a section."""
    if draft.root is None or draft.mesh is None:
        return []
    policies = draft.mesh.policies
    given = {
        "policies": policies.use or policies.files,
    }
    return [
        report(
            "not-judged-yet",
            locate(draft.root, (section,)).key_span(),
            f"this version checks the names in `{section}` and does not judge by it yet",
        )
        for section, content in given.items()
        if content
    ]
