"""What a diff has to say, by brute force: every principal, day and argument, decided by the `decide` of the runtime."""

from collections import defaultdict
from datetime import date
from functools import cache
from itertools import product
from typing import NamedTuple

from hybrid import Hybrid, offer_of
from random_meshes import DATES, TODAY

from meshplan.compiler.diff.access import access_changes
from meshplan.compiler.diff.causes import minimal_edits
from meshplan.compiler.diff.cells import Cell
from meshplan.compiler.diff.compare import Compared, compare
from meshplan.compiler.diff.formula import Formulas
from meshplan.compiler.diff.provenance import both_sides
from meshplan.compiler.diff.terms import ANY_AGENT, ANY_USER, IF, UNLESS, UNTIL
from meshplan.schemas import jsontext
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import Decider, Principal
from meshplan.schemas.surface import listing

ACTING = [{user, agent} for user in ("user:u", "user:v") for agent in ("agent:g", "agent:h")]
PRINCIPALS = [
    Principal("i", "s", frozenset({*held, *teams}))
    for held in ([], ["user:u"], ["agent:g"], *ACTING)
    for teams in ([], ["team:a"], ["team:b"], ["team:a", "team:b"])
]
"""All combinations of the subjects, and of a user and an agent also those with somebody else."""
ARGUMENTS = [{"a": a, "b": b} for a, b in product([True, False], repeat=2)] + [{}]
"""Without arguments a condition is an error, which is the third thing that it can be."""


class Call(NamedTuple):
    """One way to call: who, on which day, with which arguments, and with which ones a callee is called."""

    principal: Principal
    day: date
    outer: int
    inner: tuple[tuple[str, int], ...]

    def passed(self, callee):
        """The arguments that a callee gets."""
        return ARGUMENTS[dict(self.inner)[callee]]


def days(plans):
    """A day in every stretch between expiries, from today on."""
    ends = {grant.expires for plan in plans for grant in plan.access.grants if grant.expires}
    return [TODAY, *(date.fromisoformat(end) for end in sorted(ends) if end > TODAY.isoformat())]


def calls(cell, brutes):
    """Every way to call; arguments count only where a rule judges them."""
    outer = _arguments_of([cell.via or cell.capability], brutes)
    behind = callees(cell, brutes)
    each = product(*(_arguments_of([callee], brutes) for callee in behind))
    inner = [tuple(zip(behind, numbers, strict=True)) for numbers in each]
    return [Call(*found) for found in product(PRINCIPALS, days([b.plan for b in brutes]), outer, inner)]


def _arguments_of(capabilities, brutes):
    rules = [rule for brute in brutes for rule in brute.plan.access.rules.values() if rule.when is not None]
    judged = any(capability in rule.covers for rule in rules for capability in capabilities)
    return range(len(ARGUMENTS)) if judged else [0]


class Brute:
    """One plan, asked call by call."""

    def __init__(self, plan):
        self.plan = plan
        self.decider = Decider(plan)
        everything = {
            name: e.model_copy(update={"offers": tuple(offer_of(c) for c in plan.capabilities)})
            for name, e in plan.endpoints.items()
        }
        self.anywhere = Decider(plan.model_copy(update={"endpoints": everything}))
        self.behind = {
            CapabilityKey(f"binding:{name}", "tool", operation).id: made.capability
            for name, binding in plan.bindings.items()
            for operation, made in binding.operations.items()
        }
        self.standings = {}

    def standing(self, call):
        key = call.principal, call.day
        if key not in self.standings:
            self.standings[key] = self.decider.standing(*key)
        return self.standings[key]

    def allowed(self, cell, call):
        """May this be called, and may what is behind it?"""
        roles = self.standing(call)
        args = ARGUMENTS[call.outer]
        asked = cell.via or cell.capability
        if not self.decider.decide(cell.endpoint, call.principal, roles, asked, args).allowed:
            return False
        callee = cell.capability if cell.via else self.behind.get(cell.capability)
        if callee is None:
            return True
        inner = call.passed(callee)
        if cell.via:
            workflow = self.plan.workflows[CapabilityKey.of(cell.via).name]
            if callee not in [step.capability for step in workflow.steps]:
                return False
            if workflow.run_as == "caller":
                return self.anywhere.decide(cell.endpoint, call.principal, roles, callee, inner).allowed
        return self.decider.denied(cell.endpoint, call.principal, roles, callee, inner) is None

    def visible(self, endpoint, principal):
        """Advertised name to capability, as this principal has it listed."""
        if endpoint not in self.plan.endpoints:
            return {}
        seen = self.decider.visible(endpoint, principal, self.decider.standing(principal, TODAY))
        return {o.name: o.capability for o in self.plan.endpoints[endpoint].offers if o.capability in seen}


def atoms(call):
    """What is true of a call, the way terms spell it."""
    found = held(call.principal, call.day) | judged("args", call.outer)
    for callee, number in call.inner:
        key = CapabilityKey.of(callee)
        found |= judged(f"{key.server}.{key.name}.args", number)
    return found


@cache
def held(principal, day):
    dates = [f"{UNTIL}{end}" for end in DATES if day < date.fromisoformat(end)]
    return frozenset({*principal.subjects, *dates, *((ANY_USER, ANY_AGENT) if principal.delegated else ())})


@cache
def judged(variable, number):
    """What conditions on the arguments are: true, false, or an error, which does not allow and does deny."""
    found = set()
    for name in ("a", "b"):
        condition = jsontext.canonical(["select", ["var", variable], name])
        value = ARGUMENTS[number].get(name)
        found |= {IF + condition} if value is True else set()
        found |= {UNLESS + condition} if value is not False else set()
    return frozenset(found)


def cells_of(brutes):
    """Every way to a capability in either plan, found without the compiler's help."""
    found = set()
    for brute in brutes:
        for name, endpoint in brute.plan.endpoints.items():
            for offer in endpoint.offers:
                found.add(Cell(name, offer.capability))
                workflow = brute.plan.workflows.get(CapabilityKey.of(offer.capability).name)
                if workflow is not None and offer.capability.startswith("workflow:"):
                    found |= {Cell(name, step.capability, offer.capability) for step in workflow.steps}
    return found


def callees(cell, brutes):
    """What is called behind a cell, on either side."""
    found = [b.behind[cell.capability] for b in brutes if cell.capability in b.behind]
    return [cell.capability] if cell.via else sorted(set(found))


def judge(before, after):
    """Compare a diff with brute force and undo its causes; returns the number of cells that changed."""
    brutes = Brute(before.plan), Brute(after.plan)
    sides = both_sides(before, after)
    changed = {Cell(c.endpoint, c.capability, c.via): c for c in access_changes(*sides, today=TODAY)}
    cells = cells_of(brutes)
    assert set(changed) <= cells
    number = 0
    formulas, hybrids = Formulas(*sides, today=TODAY), {}
    for cell in sorted(cells):
        was, now = _differing(cell, brutes, sides)
        if cell not in changed:
            assert not (was or now) or Cell(cell.endpoint, cell.via) in changed, cell
        else:
            number += 1
            _said(changed[cell], now, was)
        found = ((True, now), (False, was))
        if was or now:
            _each_undone(sides, formulas, cell, found, hybrids)
        if cell in changed:
            _undone(sides, cell, changed[cell], found, hybrids)
    _listed(brutes, changed)
    _surfaces((before, after), brutes)
    return number


def _differing(cell, brutes, sides):
    """The calls that are refused now, and those that are allowed now, by what is true of them."""
    was, now = defaultdict(set), defaultdict(set)
    forms = [(side.cells.terms(cell).alone, side.cells.terms(cell).delegated) for side in sides]
    offered = [_offers(brute, cell) for brute in brutes]
    for call in calls(cell, brutes):
        truth = [there and brute.allowed(cell, call) for there, brute in zip(offered, brutes, strict=True)]
        true = atoms(call)
        acting = call.principal.delegated
        assert [form[acting].allowed(true) for form in forms] == truth, (cell, call)
        if truth[0] != truth[1]:
            (now if truth[1] else was)[true, acting].add(call)
    return was, now


def _offers(brute, cell):
    endpoint = brute.plan.endpoints.get(cell.endpoint)
    return endpoint is not None and (cell.via or cell.capability) in [o.capability for o in endpoint.offers]


def _said(change, now, was):
    """Everybody who gained or lost is meant, and everybody who is meant has somebody who did."""
    for whos, found, flag in ((change.gained, now, change.widening), (change.lost, was, change.breaking)):
        assert flag == bool(found), change
        for true, delegated in found:
            assert any(_meant(who, true, delegated) for who in whos), (change, true)
        for who in whos:
            assert any(set(who.atoms) <= true for true, delegated in found if delegated or not who.delegated), who
    assert change.causes


def _meant(who, true, delegated):
    return (
        (delegated or not who.delegated)
        and true.issuperset(who.atoms)
        and not any(true.issuperset(also) for also in who.unless)
    )


def _undone(sides, cell, change, found, hybrids):
    """Undoing one edit out of every minimal set of a change gives everybody back what there was."""
    changed = [(call, gained) for gained, by_true in found for calls in by_true.values() for call in sorted(calls)[:3]]
    assert change.causes
    for pick in () if change.more_causes else (min, max):
        undone = frozenset(pick(edits, key=repr) for edits in change.causes)
        for call, gained in changed:
            assert _between(sides, cell, call, undone, hybrids) != gained, (cell, call, undone, change)


def _each_undone(sides, formulas, cell, found, hybrids):
    """So for each principal by itself; a minimal set alone brings its change about, and no part of it does."""
    shape = formulas.shape(cell)
    forms = [formulas.of(shape, delegated=acting) for acting in (False, True)]
    for gained, by_true in found:
        for (true, acting), calls in list(by_true.items())[:6]:
            call = min(calls)
            sets = minimal_edits(forms[acting], true, gained=gained, limit=64)
            assert sets.whole, (cell, true)
            assert sets.sets, (cell, true)
            every = forms[acting].edits
            for pick in (min, max):
                undone = frozenset(pick(edits, key=repr) for edits in sets.sets)
                assert _between(sides, cell, call, undone, hybrids) != gained, (cell, call, undone)
            for edits in sets.sets[:4]:
                assert _between(sides, cell, call, every - edits, hybrids) == gained, (cell, call, edits)
                for one in edits:
                    assert _between(sides, cell, call, every - edits | {one}, hybrids) != gained, (cell, call, edits)


def _between(sides, cell, call, undone, hybrids):
    key = cell.endpoint, frozenset(undone)
    if key not in hybrids:
        hybrids[key] = Hybrid(sides, *key)
    return hybrids[key].allowed(cell, call, ARGUMENTS)


def _listed(brutes, changed):
    """Whoever has something else listed now is told by a change of access.

    A list shows what some arguments may be allowed for, so what a deny takes back for all of them changes nothing.
    """
    rules = [rule for brute in brutes for rule in brute.plan.access.rules.values()]
    open_ones = {c for rule in rules if rule.effect == "deny" and rule.when for c in rule.covers}
    for endpoint in {name for brute in brutes for name in brute.plan.endpoints}:
        told = {cell.capability for cell in changed if cell.endpoint == endpoint and not cell.via}
        told |= {*brutes[0].behind} | open_ones
        for principal in PRINCIPALS:
            old, new = (brute.visible(endpoint, principal) for brute in brutes)
            assert {*old.values()} ^ {*new.values()} <= told, (endpoint, principal)


def _surfaces(bundles, brutes):
    """What `surface` lists otherwise, word by word, is told by a change of the name, the definition or what is called."""
    for endpoint in set.intersection(*({*bundle.plan.endpoints} for bundle in bundles)):
        old, new = (listing(bundle.plan, bundle.definitions, endpoint, "tool") for bundle in bundles)
        for capability in {c for c in {*old} & {*new} if old[c] != new[c]}:
            sides = [Compared("", bundle, None) for bundle in bundles]
            diff = compare(*sides, acknowledged={}, today=TODAY, environment=None)
            names = {jsontext.parse(shown[capability])["name"] for shown in (old, new)}
            told = {change.subject.rpartition("/")[2] for change in diff.changes}
            workflows = [
                b.plan.workflows[CapabilityKey.of(capability).name] for b in brutes if capability[:9] == "workflow:"
            ]
            behind = {capability, *(brute.behind.get(capability) for brute in brutes)}
            behind |= {step.capability for workflow in workflows for step in workflow.steps}
            made = CapabilityKey.of(capability).server in {change.subject for change in diff.changes}
            assert names & told or made or behind & {c.capability for c in diff.lock}, (endpoint, capability)
