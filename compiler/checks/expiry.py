"""Keys and grants that have ended; the date is an input and never reaches the plan."""

from __future__ import annotations

from datetime import date

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report


def expired(draft: Draft) -> list[Diagnostic]:
    """What has ended is still enforced as ended; the warning is there to tidy up or renew."""
    if draft.mesh is None or draft.root is None:
        return []
    entries: list[tuple[str, str | None, Path]] = [
        *(
            (f"the key `{name}`", key.expires, ("identity", "keys", name))
            for name, key in draft.mesh.identity.keys.items()
        ),
        *((f"this grant of `{g.role}`", g.expires, ("grants", index)) for index, g in enumerate(draft.mesh.grants)),
    ]
    return [
        report(
            "expired",
            locate(draft.root, (*path, "expires")).value_span(),
            f"{what} ended on {ends}",
            help="renew it, or remove it",
        )
        for what, ends, path in entries
        if ends is not None and date.fromisoformat(ends) <= draft.today
    ]
