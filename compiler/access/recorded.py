"""A decision of the ledger as a question: who asked for what, with which arguments, by which plan, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from meshplan.compiler.access.callers import Caller
from meshplan.compiler.access.judge import Ruling
from meshplan.compiler.access.why import Question
from meshplan.schemas import jsontext
from meshplan.schemas.decide import Principal
from meshplan.schemas.ledger.inputs import read_arguments
from meshplan.schemas.plan import JwtIssuer, Plan

_UNDECIDED = ("unauthenticated", "invalid")
"""Outcomes of what was refused for another reason than access."""


class RecordedError(ValueError):
    """A decision that cannot be explained; the text says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the ledger says of one decision; ``inputs`` are the arguments that conditions read, where they were kept."""

    id: str
    at: str
    plan: str
    endpoint: str
    capability: str
    issuer_and_sub: str
    subjects: frozenset[str]
    allowed: bool
    code: str
    rule: str | None
    outcome: str
    inputs: Mapping[str, Any] | None

    @property
    def day(self) -> date:
        """The day on which it was decided, in UTC."""
        return date.fromisoformat(self.at[:10])


def decision_in(rows: Sequence[Mapping[str, Any]], wanted: str) -> Decision:
    """The decision among entries of the ledger; raises ``RecordedError``."""
    own = [row for row in rows if row["decision"] == wanted]
    if not own:
        raise RecordedError(f"the ledger has no decision `{wanted[:80]}`")
    said = next((row for row in own if row["kind"] == "outcome"), own[-1])
    outcome, reason = said["outcome"] or "unknown", said["reason"]
    if said["capability"] is None or said["plan"] is None or outcome in _UNDECIDED:
        told = f"{outcome}, {reason}" if reason else outcome
        raise RecordedError(f"nothing was decided about a capability: the attempt ended as {told}")
    kept = next((row["inputs"] for row in own if row["inputs"] is not None), None)
    refused = outcome == "denied"
    return Decision(
        id=wanted,
        at=said["at"],
        plan=said["plan"],
        endpoint=said["endpoint"],
        capability=said["capability"],
        issuer_and_sub=said["principal"],
        subjects=frozenset(_subjects(said)),
        allowed=not refused,
        code=(reason or "refused") if refused else "allowed",
        rule=said["rule"],
        outcome=outcome,
        inputs=None if kept is None else cast("dict[str, Any]", jsontext.parse(kept)),
    )


def question_of(decision: Decision, plan: Plan) -> Question:
    """The question that was answered then, for a plan at hand; raises ``RecordedError`` where it cannot be asked.

    The arguments are those that conditions of this plan read: all that a verdict rests on.
    """
    if decision.endpoint not in plan.endpoints:
        raise RecordedError(f"the plan at hand has no endpoint `{decision.endpoint}`")
    if decision.capability not in plan.capabilities:
        raise RecordedError(f"the plan at hand does not know `{decision.capability}`")
    issuer, sub = _principal(decision.issuer_and_sub, plan)
    subjects = " ".join(sorted(decision.subjects))
    caller = Caller(
        f"{issuer}:{sub}" + (f" ({subjects})" if subjects else ""), Principal(issuer, sub, decision.subjects)
    )
    return Question(decision.endpoint, decision.capability, caller, _arguments(decision, plan), as_sent=True)


def differs(decision: Decision, ruling: Ruling) -> bool:
    """Whether a plan at hand decides otherwise than was recorded, or by another rule."""
    return (decision.allowed, decision.code) != (ruling.allowed, ruling.code) or decision.rule != ruling.rule


def _subjects(row: Mapping[str, Any]) -> list[str]:
    named = (("user", "user"), ("teams", "team"), ("agent", "agent"), ("application", "application"))
    return [f"{kind}:{name}" for column, kind in named for name in (row[column] or "").split(",") if name]


def _principal(recorded: str, plan: Plan) -> tuple[str, str]:
    """Issuer and sub of `issuer:sub`: an issuer's URL has colons of its own."""
    issuers = plan.identity.issuers
    known = [found.url if isinstance(found, JwtIssuer) else f"proxy:{name}" for name, found in issuers.items()]
    for issuer in sorted(known, key=len, reverse=True):
        if recorded.startswith(f"{issuer}:"):
            return issuer, recorded[len(issuer) + 1 :]
    head, _, rest = recorded.partition("://")
    issuer, _, sub = rest.partition(":") if rest else head.partition(":")
    return (f"{head}://{issuer}", sub) if rest else (issuer, sub)


def _arguments(decision: Decision, plan: Plan) -> dict[str, Any]:
    names = read_arguments(_conditions(decision, plan))
    found = decision.inputs or {}
    wanted = sorted(found if names is None else names)
    if decision.inputs is None and (names is None or names):
        read = ", ".join(f"`{name}`" for name in wanted) or "arguments"
        raise RecordedError(f"conditions read {read}, and the ledger kept nothing of that")
    lost = [name for name in wanted if name in found and "value" not in found[name]]
    if lost:
        why = "looks like a secret" if "redacted" in found[lost[0]] else "is too long"
        raise RecordedError(f"a condition reads `{lost[0]}`, which the ledger did not keep, since it {why}")
    return {name: found[name]["value"] for name in wanted if name in found}


def _conditions(decision: Decision, plan: Plan) -> list[object]:
    return [
        rule.when
        for rule in plan.access.rules.values()
        if rule.when is not None
        and (rule.endpoints is None or decision.endpoint in rule.endpoints)
        and decision.capability in rule.covers
    ]
