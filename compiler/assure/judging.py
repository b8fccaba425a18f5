"""A plan judged by its own guards: a verdict on each invariant, and what policies have against it."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.assure.cells import Atlas
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import labels_of
from meshplan.compiler.assure.policing import policed
from meshplan.compiler.assure.statement import statement
from meshplan.compiler.assure.verdict import Verdict
from meshplan.compiler.assure.words import Step, broken, rests_on, steps, way_out
from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Label, Path, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.resolved import Resolved
from meshplan.compiler.rules import report


def judged(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The draft with its verdicts, and what is broken."""
    if draft.plan is None or draft.resolved is None or draft.mesh is None:
        return draft, ()
    plan, resolved = draft.plan, draft.resolved
    statements = [statement(name, data) for name, data in plan.guardrails.invariants.items()]
    labels = labels_of(resolved)
    verdicts = judge_all(Atlas(plan, draft.today), statements, [labels], plan.identity.exclusive)
    paths: dict[str, Path] = {inv.name: ("invariants", index) for index, inv in enumerate(draft.mesh.invariants)}
    found = [_finding(draft, resolved, verdict, paths[verdict.statement.name]) for verdict in verdicts]
    broken_ones = [diagnostic for diagnostic in found if diagnostic is not None]
    policies = policed(draft, plan.guardrails.policies, labels) if plan.guardrails.policies else []
    return replace(draft, verdicts=verdicts), (*broken_ones, *policies)


def _finding(draft: Draft, resolved: Resolved, verdict: Verdict, path: Path) -> Diagnostic | None:
    if verdict.holds or draft.root is None or draft.plan is None:
        return None
    name, at = verdict.statement.name, locate(draft.root, (*path, "name")).value_span()
    if not verdict.found:
        message = f"`{name}` is not proved: there are too many combinations to try"
        return report("invariant-not-proved", at, message, help=way_out(verdict))
    rests = rests_on(verdict)
    message = f"`{name}` does not hold: {broken(verdict.found[0])}" + (f"; it {rests}" if rests else "")
    labels = tuple(
        Label(span, step.text)
        for step in steps(draft.plan, verdict.found[0])
        if (span := _place(draft, resolved, step)) is not None
    )
    return report("invariant-broken", at, message, help=way_out(verdict), labels=labels)


def _place(draft: Draft, resolved: Resolved, step: Step) -> Span | None:
    """Where a grant or a rule is written."""
    if draft.root is None:
        return None
    kind, _, name = step.source.partition(":")
    if kind == "grant":
        return locate(draft.root, resolved.grants[int(name)].path).key_span()
    path = next((rule.path for rule in resolved.rules if rule.id == name), None)
    return None if path is None else locate(draft.root, path).key_span()
