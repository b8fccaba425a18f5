"""Features that a server's lock declares and that some clients cannot get, whoever stands between them."""

from __future__ import annotations

from meshplan.compiler.carriage import declared, gaps_of
from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.schemas.carriage import FRONTS, Gap


def gaps(draft: Draft) -> list[Diagnostic]:
    """One advice a server and gap."""
    if draft.mesh is None or draft.root is None:
        return []
    found: list[Diagnostic] = []
    for name, server in draft.mesh.servers.items():
        lock = draft.locks.get(name)
        if lock is None:
            continue
        span = locate(draft.root, ("servers", name)).key_span()
        found += [
            report(f"not-carried-{gap.feature}", span, f"{what} of `{name}` {_reach(gap)}: {gap.why}")
            for gap in _widest(gaps_of(server, lock))
            if (what := declared(gap.feature, lock)) is not None
        ]
    return found


def _widest(found: list[Gap]) -> list[Gap]:
    """Without those of a feature that no client gets anyway."""
    nobodys = {gap.feature for gap in found if gap.fronts == FRONTS}
    return [gap for gap in found if gap.fronts == FRONTS or gap.feature not in nobodys]


def _reach(gap: Gap) -> str:
    """Whom it does not reach."""
    reached = [revision for revision in FRONTS if revision not in gap.fronts]
    return f"reach clients of {' and '.join(reached)} only" if reached else "reach no client"
