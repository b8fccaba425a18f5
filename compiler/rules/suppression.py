"""MESH04x: comments that suppress a warning."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_NOTES = "servers:\n  notes: {stdio: [python, notes.py]}\n"
_ENDED = """\
grants:
  - {role: reader, to: [{team: writers}]}
  # mesh: ignore[MESH407] reason="kept until the audit is over" until=2099-01-01
  - {role: reader, to: [{team: writers}], expires: 2020-01-01}
"""

RULES = (
    Rule(
        "MESH041",
        "bad-suppression",
        "a comment that suppresses a warning does not say which, why and until when",
        "A warning that is silenced without a reason and an end is silenced for ever, by nobody. Errors cannot be suppressed.",
        "servers:\n  notes: {stdio: [python, notes.py]}  # mesh: ignore[MESH407]\n",
        _ENDED,
    ),
    Rule(
        "MESH042",
        "unused-suppression",
        "a suppression has nothing to suppress",
        "It would silence the next such warning on that line, which nobody has seen.",
        'servers:\n  # mesh: ignore[MESH407] reason="none" until=2099-01-01\n  notes: {stdio: [python, notes.py]}\n',
        _NOTES,
        level="warning",
    ),
    Rule(
        "MESH043",
        "expired-suppression",
        "a suppression has ended",
        "It ended at the start of the day that it names; what it hid is reported again.",
        'servers:\n  # mesh: ignore[MESH407] reason="none" until=2020-01-01\n  notes: {stdio: [python, notes.py]}\n',
        _ENDED,
        level="warning",
    ),
)
OWN = frozenset(rule.code for rule in RULES)
"""These are never suppressed themselves."""
