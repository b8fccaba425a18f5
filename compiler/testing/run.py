"""Checks to results: each is asked of the plan as the runtime would be asked."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.access.grounds import Ground, Grounds
from meshplan.compiler.access.judge import Judge, Ruling
from meshplan.compiler.access.naming import shown_as
from meshplan.compiler.testing.model import Called, Check, Expected, Listing, ReadLive, Result
from meshplan.schemas.globs import glob_match


class Court:
    """One plan that is asked, with the grounds of its verdicts."""

    def __init__(self, judge: Judge, grounds: Grounds) -> None:
        self.judge, self._grounds = judge, grounds

    def result(self, check: Check) -> Result:
        """Ask one check."""
        if isinstance(check.asked, Listing):
            return Result(check, self._listing(check, check.asked))
        return Result(check, self._differs(check, check.asked.expected, self.ruling(check, check.asked)))

    def ruling(self, check: Check, asked: Called | ReadLive) -> Ruling:
        """The verdict that the caller meets."""
        if isinstance(asked, ReadLive):
            return self.judge.read(check.endpoint, check.caller.principal, asked.server, asked.uri)
        return self.judge.call(check.endpoint, check.caller.principal, asked.capability, asked.arguments)

    def reasons(self, check: Check) -> frozenset[tuple[str, int]]:
        """The (rule, grant) pairs that brought the outcome of a check about."""
        caller = check.caller.principal
        match check.asked:
            case Listing():
                shown = self.judge.listed(check.endpoint, caller, check.asked.kind)
                found = [g for c in shown for g in self._grounds.of(check.endpoint, c, caller, None)]
                return _pairs(g for g in found if g.effect == "allow" and g.certain)
            case ReadLive() as what:
                return self._live(check.endpoint, check, what, self.ruling(check, what))
            case Called() as what:
                ruling = self.ruling(check, what)
                if ruling.code not in ("allowed", "denied_by_rule"):
                    return frozenset()
                effect = "allow" if ruling.allowed else "deny"
                found = self._grounds.of(check.endpoint, what.capability, caller, ruling.sent)
                return _pairs(g for g in found if g.effect == effect and g.certain)

    def _live(self, endpoint: str, check: Check, what: ReadLive, ruling: Ruling) -> frozenset[tuple[str, int]]:
        if ruling.rule is None:
            return frozenset()
        access, caller = self.judge.plan.access, check.caller.principal
        found: set[tuple[str, int]] = set()
        for index, grant in enumerate(access.grants):
            if any(set(to) <= caller.subjects | {"anyone"} for to in grant.to):
                for rule_id in access.roles[grant.role]:
                    rule = access.rules[rule_id]
                    at = rule.endpoints is None or endpoint in rule.endpoints
                    says = any(
                        live.server == what.server and any(glob_match(uri, what.uri) for uri in live.uris)
                        for live in rule.live
                    )
                    if at and says and (rule.effect == "allow") == ruling.allowed:
                        found.add((rule_id, index))
        return frozenset(found)

    def _listing(self, check: Check, asked: Listing) -> str | None:
        plan = self.judge.plan
        ids = self.judge.listed(check.endpoint, check.caller.principal, asked.kind)
        shown = sorted(shown_as(plan, check.endpoint, capability) for capability in ids)
        if tuple(shown) == asked.names:
            return None
        more = [name for name in shown if name not in asked.names]
        less = [name for name in asked.names if name not in shown]
        parts = [f"also {_quoted(more)}"] if more else []
        parts += [f"not {_quoted(less)}"] if less else []
        return f"listed {' and '.join(parts)}"

    def _differs(self, check: Check, expected: Expected, ruling: Ruling) -> str | None:
        if _meets(expected, ruling):
            wanted = expected.rule
            if wanted is None or wanted == ruling.rule or wanted in {rule for rule, _ in self.reasons(check)}:
                return None
        by = f" by `{ruling.rule}`" if ruling.rule else ""
        if ruling.allowed:
            return f"allow{by}"
        code = {"denied_by_rule": "deny"}.get(ruling.code, f"deny: {ruling.code}")
        return f"{code}{by}" + (f" ({ruling.why})" if ruling.why else "")


def _meets(expected: Expected, ruling: Ruling) -> bool:
    if expected.word == "allow":
        return ruling.allowed
    return not ruling.allowed and expected.word in ("deny", ruling.code)


def _pairs(grounds: Iterable[Ground]) -> frozenset[tuple[str, int]]:
    return frozenset((ground.term.rule, ground.term.grant) for ground in grounds)


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def court(plan_judge: Judge) -> Court:
    """A court with grounds of its own."""
    return Court(plan_judge, Grounds(plan_judge.plan, plan_judge.today))
