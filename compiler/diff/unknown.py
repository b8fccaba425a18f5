"""A side before that does not compile: nothing is known of it, so all that the side after has counts as gained."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.diff.compare import Compared
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.model import Change, Diff, Place, Ref
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.plan import Guardrails
from meshplan.schemas.rules import Access, Identity

SUBJECT = "base:unknown"


def nothing_like(after: Compared, label: str) -> Compared:
    """A side with nothing in it, to compare with; its runtime is as the other's, for that is nobody's access."""
    nothing = after.bundle.plan.model_copy(
        update={
            "servers": {},
            "capabilities": {},
            "bindings": {},
            "workflows": {},
            "endpoints": {},
            "access": Access(rules={}, roles={}, grants=()),
            "identity": Identity(keys={}, local=None),
            "prices": {},
            "budgets": {},
            "guardrails": Guardrails(),
        }
    )
    return Compared(label, Bundle(nothing, "", {}, {}), None if after.locks is None else {})


def with_unknown_base(diff: Diff, said: Diagnostics) -> Diff:
    """The diff with one change for the base; who agrees to that, agrees to all that follows from it.

    Its fingerprint is of the plan after: another plan is another change.
    """
    first = next(found for found in said if found.severity == "error")
    change = Change(
        subject=SUBJECT,
        verb="changed",
        summary=f"the side before does not compile ({first.code}: {first.message}): all that there is counts as gained",
        details=(),
        place=Place(first.span.file, first.span.line, first.span.column),
        breaking=False,
        widening=True,
        fingerprint=fingerprint(SUBJECT, None, diff.after.digest),
    )
    stale = tuple(mark for mark in diff.stale_acknowledgements if mark != change.fingerprint)
    return replace(
        diff,
        before=Ref(f"{diff.before.label}, which does not compile", None),
        changes=(change, *diff.changes),
        stale_acknowledgements=stale,
    )


def agreed_with_base(diff: Diff) -> Diff:
    """Where the change of the base is agreed to, so is everything else."""
    reason = next((change.acknowledged for change in diff.changes if change.subject == SUBJECT), None)
    if reason is None:
        return diff
    return replace(
        diff,
        access=tuple(replace(change, acknowledged=change.acknowledged or reason) for change in diff.access),
        changes=tuple(replace(change, acknowledged=change.acknowledged or reason) for change in diff.changes),
        lock=tuple(replace(change, acknowledged=change.acknowledged or reason) for change in diff.lock),
    )
