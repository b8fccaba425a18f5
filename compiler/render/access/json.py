"""`mesh why` and `mesh who-can` as JSON, formats `mesh.dev/why/v1` and `mesh.dev/who-can/v1`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from meshplan.compiler.access.recorded import Decision, differs
from meshplan.compiler.access.remedy import Edit
from meshplan.compiler.access.whocan import Reachable
from meshplan.compiler.access.why import Step, Why
from meshplan.compiler.diff.model import Place, Who
from meshplan.compiler.render.access.text import path_text

WHY, WHO_CAN = "mesh.dev/why/v1", "mesh.dev/who-can/v1"


def render_why(answers: Sequence[tuple[Why, tuple[Edit, ...]]], recorded: tuple[Decision, str] | None = None) -> str:
    """One answer for each endpoint; ``recorded`` is the decision that is explained, by the plan with this digest."""
    said = {} if recorded is None else {"recorded": _recorded(*recorded, answers[0][0])}
    return _text({"format": WHY, **said, "answers": [_why(why, edits) for why, edits in answers]})


def _recorded(decision: Decision, plan: str, why: Why) -> dict[str, Any]:
    return {
        "decision": decision.id,
        "at": decision.at,
        "plan": decision.plan,
        "explained_by": plan,
        "outcome": decision.outcome,
        "allowed": decision.allowed,
        "code": decision.code,
        "rule": decision.rule,
        "differs": differs(decision, why.ruling),
    }


def _why(why: Why, edits: tuple[Edit, ...]) -> dict[str, Any]:
    return {
        "endpoint": why.question.endpoint,
        "caller": why.question.caller.text,
        "subjects": sorted(why.question.caller.principal.subjects),
        "capability": why.question.capability,
        "name": why.name,
        "arguments": why.question.arguments,
        "allowed": why.ruling.allowed,
        "code": why.ruling.code,
        "rule": why.ruling.rule,
        "reason": why.ruling.why,
        "offer": [_step(step) for step in why.offer],
        "chains": [
            {"effect": c.effect, "rule": c.rule, "applies": c.applies, "steps": [_step(step) for step in c.steps]}
            for c in why.chains
        ],
        "lacking_sides": list(why.sides),
        "edits": [
            {"op": e.op, "path": list(e.path), "at": path_text(e.path), "value": e.value, "place": _place(e.place)}
            for e in edits
        ],
    }


def _step(step: Step) -> dict[str, Any]:
    return {"text": step.text, "holds": step.mark or None, "place": _place(step.place)}


def render_who_can(found: Sequence[Reachable]) -> str:
    """One entry for each way to the capability."""
    ways = [
        {
            "endpoint": way.endpoint,
            "capability": way.capability,
            "name": way.name,
            "via": way.via or None,
            "who": [
                {
                    **_who(reaching.who),
                    "through_an_agent": reaching.acting,
                    "by": [
                        {"rule": b.rule, "rule_at": _place(b.rule_at), "role": b.role, "grant_at": _place(b.grant_at)}
                        for b in reaching.by
                    ],
                }
                for reaching in way.reaching
            ],
        }
        for way in found
    ]
    return _text({"format": WHO_CAN, "ways": ways})


def _who(who: Who) -> dict[str, Any]:
    return {"atoms": list(who.atoms), "unless": [list(u) for u in who.unless], "delegated": who.delegated}


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": place.file, "line": place.line, "column": place.column}


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
