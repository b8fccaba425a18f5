"""Why a caller may or may not do something: the chain of what it rests on, each step with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, cast

from pydantic import JsonValue

from meshplan.compiler.access.callers import Caller
from meshplan.compiler.access.grounds import Ground, Grounds, Truth
from meshplan.compiler.access.judge import Judge, Ruling
from meshplan.compiler.access.naming import shown_as
from meshplan.compiler.diff.edits import place_in
from meshplan.compiler.diff.lockplaces import LockPlaces
from meshplan.compiler.diff.model import Place
from meshplan.compiler.expressions import Ir, show
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import Principal, principal_value
from meshplan.schemas.expr import Errored, ExprError, conjuncts, evaluate, holds, load

Mark = Literal["yes", "no", "open", ""]
"""Whether a step holds; `open` waits for arguments, and what is only said has none."""


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a chain; names of files and upstreams in the text are in backticks."""

    text: str
    place: Place | None
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """One rule that speaks about the capability, as one grant gives it."""

    effect: Literal["allow", "deny"]
    rule: str
    applies: bool
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what; ``arguments`` are the caller's, ``None`` where it is asked whether any are allowed.

    ``as_sent``: they are those that go upstream, and no names and fixed values of the endpoint change them any more.
    """

    endpoint: str
    capability: str
    caller: Caller
    arguments: Mapping[str, Any] | None = None
    as_sent: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """The verdict with everything that it rests on; the chains that decided come first."""

    question: Question
    name: str
    ruling: Ruling
    offer: tuple[Step, ...]
    chains: tuple[Chain, ...]
    sides: tuple[str, ...] = field(default=())
    """What a user who acts through an agent lacks: both sides must be allowed."""


class Explainer:
    """One plan that is asked why."""

    def __init__(self, bundle: Bundle, today: date, locked: LockPlaces | None = None) -> None:
        self.bundle, self.today, self.locked = bundle, today, locked
        self.judge = Judge(bundle.plan, bundle.definitions, today)
        self.grounds = Grounds(bundle.plan, today)

    def why(self, question: Question) -> Why:
        """Answer one question."""
        principal = question.caller.principal
        ruling = self.judge.call(
            question.endpoint, principal, question.capability, question.arguments, as_sent=question.as_sent
        )
        found = self.found(question, ruling)
        chains = [self._chain(question, ground, ruling) for ground in _telling(found, ruling)]
        name = shown_as(self.bundle.plan, question.endpoint, question.capability)
        return Why(
            question,
            name,
            ruling,
            self._offer(question, name),
            tuple(dict.fromkeys(chains)),
            _lacks(principal, found, ruling),
        )

    def found(self, question: Question, ruling: Ruling) -> tuple[Ground, ...]:
        """The grounds of a question, on the arguments as they would be sent."""
        sent = ruling.sent if ruling.sent is not None else question.arguments
        return self.grounds.of(question.endpoint, question.capability, question.caller.principal, sent)

    def _offer(self, question: Question, name: str) -> tuple[Step, ...]:
        key, plan = CapabilityKey.of(question.capability), self.bundle.plan
        here = f"{key.kind} `{key.name}` of `{key.server}`"
        logical = f"offer:{question.endpoint}:{question.capability}"
        place, patched = place_in(self.bundle, logical)
        if place is None:
            there = place_in(self.bundle, f"endpoint:{question.endpoint}")[0]
            return (Step(f"`{question.endpoint}` does not offer {here}", there, "no"),)
        known = plan.capabilities[question.capability]
        by = " by an environment's patch" if patched else ""
        lock = self.locked.capability(question.capability) if self.locked else None
        lock = lock or place_in(self.bundle, key.server if ":" in key.server else f"locked:{question.capability}")[0]
        return (
            Step(f"`{question.endpoint}` offers {here} as `{name}`{by}", place, "yes"),
            Step(f"its effect is {known.effect}, {known.effect_from}", lock),
        )

    def _chain(self, question: Question, ground: Ground, ruling: Ruling) -> Chain:
        term, made = ground.term, question.capability
        steps = [Step(f"{ground.effect} rule `{term.rule}`", self._place(f"rule:{term.rule}"))]
        if term.capability != made:
            steps.append(
                Step(f"through `{made}`, which calls `{term.capability}`", self._place(made.partition("/")[0]))
            )
        own = term.rule.partition("#")[0]
        extends = "" if own == ground.role else f", from `{own}` that it extends"
        steps.append(Step(f"held by role `{ground.role}`{extends}", self._place(f"role:{ground.role}")))
        steps.append(self._granted(ground))
        steps += self._condition(question, ground, ruling)
        return Chain(ground.effect, term.rule, ground.applies, tuple(steps))

    def _place(self, name: str) -> Place | None:
        return place_in(self.bundle, name)[0]

    def _granted(self, ground: Ground) -> Step:
        expires = self.bundle.plan.access.grants[ground.term.grant].expires
        text = f"granted to {_together(ground.term.given)}"
        if expires is not None:
            text += f", which ended on {expires}" if ground.ended else f" until {expires}"
        if ground.missing:
            text += f"; the caller does not prove {_together(ground.missing)}"
        return Step(text, self._place(f"grant:{ground.term.grant}"), "yes" if ground.given else "no")

    def _condition(self, question: Question, ground: Ground, ruling: Ruling) -> list[Step]:
        when = self.bundle.plan.access.rules[ground.term.rule].when
        if when is None or ground.condition is None:
            return []
        place = place_in(self.bundle, f"rule:{ground.term.rule}")[0]
        sent = ruling.sent if ruling.sent is not None else question.arguments
        return [
            _conjunct(part, question.caller.principal, sent, place, ground) for part in conjuncts(cast("Any", when))
        ]


def _telling(found: Sequence[Ground], ruling: Ruling) -> list[Ground]:
    """The grounds that decided; where nothing did, every allow, the nearest to applying first."""
    if ruling.allowed:
        return [ground for ground in found if ground.effect == "allow" and ground.applies]
    if ruling.code in ("not_offered", "invalid_arguments"):
        return []
    if ruling.code == "denied_by_rule":
        return [ground for ground in found if ground.effect == "deny" and ground.applies]
    allows = [ground for ground in found if ground.effect == "allow"]
    return sorted(allows, key=lambda ground: (not ground.given, len(ground.missing), ground.term.rule))


def _lacks(principal: Principal, found: Iterable[Ground], ruling: Ruling) -> tuple[str, ...]:
    if not principal.delegated or ruling.code != "no_allow":
        return ()
    covered = 0
    for ground in found:
        covered |= ground.term.sides if ground.effect == "allow" and ground.applies else 0
    return tuple(name for name, side in (("user", 1), ("agent", 2)) if not covered & side)


def _conjunct(
    ir: Ir, principal: Principal, sent: Mapping[str, Any] | None, place: Place | None, ground: Ground
) -> Step:
    text = f"if `{show(ir)}`"
    program = load(ir)
    if "args" in program.variables and (sent is None or ground.condition == "open"):
        return Step(f"{text}, which depends on the arguments", place, "open")
    env = {"args": dict(sent or {}), "principal": principal_value(principal)}
    value = holds(program, env)
    truth: Truth = "error" if isinstance(value, Errored) else "true" if value else "false"
    shown = [f"`{show(part)}` is {_value(part, env)}" for part in _reads(ir)]
    said = f": {truth}" + (f", since {' and '.join(shown)}" if shown else "")
    return Step(text + said, place, "yes" if truth == "true" else "no")


def _reads(ir: Ir) -> list[Ir]:
    """What an expression reads of `args` and `principal`, once each."""
    if ir[0] == "select":
        return [ir]
    found: list[Ir] = []
    for part in ir[1:] if ir[0] not in ("lit", "real", "var") else []:
        if isinstance(part, list):
            found += [read for read in _reads(part) if read not in found]
    return [read for read in found if _rooted(read)]


def _rooted(ir: Ir) -> bool:
    inner: Any = ir
    while isinstance(inner, list) and inner[0] == "select":
        inner = cast("list[Any]", inner)[1]
    return inner in (["var", "args"], ["var", "principal"])


def _value(ir: Ir, env: Mapping[str, Any]) -> str:
    try:
        text = jsontext.canonical(cast("JsonValue", evaluate(load(ir), dict(env))))
    except ExprError:
        return "not there"
    return f"`{text[:80]}{'…' if text[80:] else ''}`"


def _together(subjects: Iterable[str]) -> str:
    return " with ".join(f"`{subject}`" for subject in subjects)
