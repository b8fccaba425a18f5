"""Every diagnostic there is: code and slug are for ever, wording is free. To add one: an entry here, a case file, a docs run."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Diagnostic, Fix, Label, Span
from meshplan.compiler.rules import access, language, lock, names, policies, routing, shape, suppression, testing, yaml
from meshplan.compiler.rules.model import Rule

RULES: tuple[Rule, ...] = (
    *yaml.RULES,
    *suppression.RULES,
    *shape.RULES,
    *names.RULES,
    *routing.RULES,
    *access.RULES,
    *language.RULES,
    *policies.RULES,
    *testing.RULES,
    *lock.RULES,
)
BY_SLUG: dict[str, Rule] = {rule.slug: rule for rule in RULES}
GUARDS: frozenset[str] = frozenset(rule.code for rule in RULES if rule.guard)
BY_CODE: dict[str, Rule] = {rule.code: rule for rule in RULES}


def report(
    slug: str,
    span: Span,
    message: str,
    *,
    help: str | None = None,
    labels: tuple[Label, ...] = (),
    fix: Fix | None = None,
) -> Diagnostic:
    """A diagnostic of the rule named ``slug``, at the rule's level."""
    rule = BY_SLUG[slug]
    return Diagnostic(rule.code, rule.level, message, span, labels, help, fix)


def held_by_guard(found: Iterable[Diagnostic]) -> bool:
    """Whether there are errors, and nothing but guards found them."""
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    return bool(errors) and all(diagnostic.code in GUARDS for diagnostic in errors)


__all__ = ["BY_CODE", "BY_SLUG", "GUARDS", "RULES", "Rule", "held_by_guard", "report"]
