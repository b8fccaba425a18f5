"""What policies have against a mesh, said as diagnostics: mandatory ones refuse it, advisory ones warn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import JsonValue

from meshplan.compiler.assure.labels import Labels
from meshplan.compiler.assure.policies import Finding, judged_by
from meshplan.compiler.assure.thing import Thing, World
from meshplan.compiler.diagnostics import Diagnostic, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.render.view import visible
from meshplan.compiler.rules import BY_CODE, report

_FACT = re.compile(r"\{([A-Za-z_]*)\}")
_LONG = 120


def world_of(draft: Draft, labels: Labels) -> World:
    """A compiled mesh as policies see it; raises ``ValueError`` before names are resolved."""
    if draft.mesh is None or draft.resolved is None:
        raise ValueError("policies are judged after names are resolved")
    return World(draft.mesh, draft.resolved, draft.locks, labels, draft.environment)


def policed(draft: Draft, policies: Mapping[str, JsonValue], labels: Labels) -> list[Diagnostic]:
    """What the mesh's own policies say, and which of their exceptions do nothing."""
    if draft.root is None:
        return []
    findings = list(judged_by(policies, world_of(draft, labels), draft.today))
    said = [_diagnostic(draft, policies, finding) for finding in findings if finding.excepted is None]
    return [*said, *_idle(draft, findings)]


def sentence(policy: Mapping[str, Any], thing: Thing) -> str:
    """What is wrong with a thing."""
    return f"{thing.title} {_filled(policy['says'], thing)}"


def _filled(text: str, thing: Thing) -> str:
    def fact(match: re.Match[str]) -> str:
        value: Any = thing.facts.get(match.group(1), match.group())
        parts = cast("list[Any]", value) if isinstance(value, list) else [value]
        texts = (" and ".join(cast("list[str]", part)) if isinstance(part, list) else str(part) for part in parts)
        return ", ".join(f"`{visible(text[:_LONG])}`" for text in texts)

    return _FACT.sub(fact, text)


def _diagnostic(draft: Draft, policies: Mapping[str, JsonValue], finding: Finding) -> Diagnostic:
    policy = cast("Mapping[str, Any]", policies[finding.policy])
    rule = BY_CODE[policy["code"]]
    said = sentence(policy, finding.thing)
    own = f"; policy `{finding.policy}`" if rule.slug != finding.policy else ""
    ended = f"; its exception ended on {finding.ended}" if finding.ended else ""
    help = None if policy["help"] is None else _filled(policy["help"], finding.thing)
    found = report(rule.slug, place(draft, finding.thing), f"{said}{own}{ended}", help=help)
    return replace(found, severity="error" if policy["level"] == "mandatory" else "warning")


def place(draft: Draft, thing: Thing) -> Span:
    """Where a thing is written, on one line."""
    if draft.root is None:
        raise ValueError("policies are judged after source")
    span = locate(draft.root, thing.path).key_span()
    if span.line == span.end_line:
        return span
    return Span(span.file, span.line, span.column, span.line, span.column + 1, span.start, span.start + 1)


def _idle(draft: Draft, findings: Iterable[Finding]) -> list[Diagnostic]:
    """Exceptions that let nothing pass; another environment may need them."""
    if draft.mesh is None or draft.root is None or draft.mesh.environments:
        return []
    from meshplan.schemas.globs import glob_match

    met = [(finding.policy, finding.thing.subject) for finding in findings]
    return [
        report(
            "exception-idle",
            locate(draft.root, ("policies", "except", index, "at")).value_span(),
            f"`{exception.policy}` has nothing against `{exception.at}`",
            help="remove the exception",
        )
        for index, exception in enumerate(draft.mesh.policies.except_)
        if not any(policy == exception.policy and glob_match(exception.at, subject) for policy, subject in met)
    ]
