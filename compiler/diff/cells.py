"""The cells of a plan, (endpoint, capability, via), and the terms of each, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from meshplan.compiler.diff.terms import IF, NOTHING, UNLESS, Atoms, Implied, Term, Terms
from meshplan.schemas import jsontext
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import BOTH_SIDES, sides
from meshplan.schemas.expr import conjuncts
from meshplan.schemas.plan import Plan, Rule

LIVE = "live"


class Cell(NamedTuple):
    """One way to a capability at an endpoint.

    ``via`` is empty where it is called itself, the id of the workflow whose step it is, or ``live`` for resources of a
    server by URI pattern.
    """

    endpoint: str
    capability: str
    via: str = ""


class Calls(NamedTuple):
    """What a tool that the mesh makes is made of; ``run_as`` is a workflow's, empty for a binding."""

    capabilities: tuple[str, ...]
    run_as: str


class Cells:
    """The terms of a plan by cell; nothing is computed before it is asked for."""

    def __init__(self, plan: Plan, implied: Implied, refused: Iterable[Atoms] = ()) -> None:
        self.plan, self.implied = plan, implied
        self.refused = tuple(Term(atoms, BOTH_SIDES, -1, (), "", "") for atoms in refused)
        """As denies of everything: who has subjects that exclude each other holds no role."""
        self.calls = dict(_calls(plan))
        self._rule_terms: dict[tuple[str, str, str], tuple[Term, ...]] = {}
        self._made: dict[tuple[object, ...], Terms] = {}
        self._covered: dict[str, frozenset[str]] = {}

    @cached_property
    def keys(self) -> frozenset[Cell]:
        """Every cell that there is."""
        return frozenset(self._keys())

    def _keys(self) -> Iterator[Cell]:
        for name, endpoint in self.plan.endpoints.items():
            for offer in endpoint.offers:
                yield Cell(name, offer.capability)
                made = self.calls.get(offer.capability)
                if made is not None and made.run_as:
                    yield from (Cell(name, step, offer.capability) for step in made.capabilities)
            for capability, server in self._live_ids.items():
                if server in endpoint.live:
                    yield Cell(name, capability, LIVE)

    @cached_property
    def _live_ids(self) -> dict[str, str]:
        rules = self.plan.access.rules.values()
        return {live_id(live.server, uri): live.server for rule in rules for live in rule.live for uri in live.uris}

    def covered(self, rule_id: str) -> frozenset[str]:
        """The ids of what a rule covers, patterns of live resources included."""
        found = self._covered.get(rule_id)
        if found is None:
            rule = self.plan.access.rules[rule_id]
            uris = (live_id(live.server, uri) for live in rule.live for uri in live.uris)
            found = self._covered[rule_id] = frozenset((*rule.covers, *uris))
        return found

    @cached_property
    def _by_capability(self) -> dict[str, list[str]]:
        """Capability id to the rules that cover it."""
        found: dict[str, list[str]] = {}
        for rule_id in self.plan.access.rules:
            for capability in self.covered(rule_id):
                found.setdefault(capability, []).append(rule_id)
        return found

    def covering(self, capability: str) -> Sequence[str]:
        """The rules that cover a capability, at whatever endpoint, granted to somebody or not."""
        return self._by_capability.get(capability, ())

    def live_denies(self, server: str) -> Sequence[tuple[str, str]]:
        """The (rule, pattern) that deny some of a server's live resources, granted to somebody or not."""
        return self._live_denies.get(server, ())

    @cached_property
    def _holders(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, grant in enumerate(self.plan.access.grants):
            for rule_id in self.plan.access.roles[grant.role]:
                found.setdefault(rule_id, []).append(index)
        return found

    @cached_property
    def _live_denies(self) -> dict[str, list[tuple[str, str]]]:
        """Server to the (rule, pattern) that deny some of its live resources."""
        found: dict[str, list[tuple[str, str]]] = {}
        for rule_id, rule in self.plan.access.rules.items():
            for live in rule.live if rule.effect == "deny" else ():
                found.setdefault(live.server, []).extend((rule_id, uri) for uri in live.uris)
        return found

    def _at(self, endpoint: str, capability: str) -> list[str]:
        rules, holders = self.plan.access.rules, self._holders
        found = self._by_capability.get(capability, ())
        return [r for r in found if r in holders and ((only := rules[r].endpoints) is None or endpoint in only)]

    def parts(self, cell: Cell) -> tuple[list[list[tuple[str, str]]], list[tuple[str, str, str]]]:
        """Stages of (rule, capability) that allow, and (rule, capability, pattern or callee) that deny."""
        rules = self.plan.access.rules
        first = cell.via if cell.via not in ("", LIVE) else cell.capability
        found = self._at(cell.endpoint, first)
        allows = [[(r, first) for r in found if rules[r].effect == "allow"]]
        denies = [(r, first, "") for r in found if rules[r].effect == "deny"]
        if cell.via == LIVE:
            return allows, self._against_live(cell)
        inner = (cell.capability,) if cell.via else self._bound(cell.capability)
        for callee in inner:
            under = self._at(cell.endpoint, callee)
            denies += [(r, callee, callee) for r in under if rules[r].effect == "deny"]
            if cell.via and self.calls[cell.via].run_as == "caller":
                allows.append([(r, callee) for r in under if rules[r].effect == "allow"])
        return allows, denies

    def _bound(self, capability: str) -> tuple[str, ...]:
        made = self.calls.get(capability)
        return made.capabilities if made is not None and not made.run_as else ()

    def _against_live(self, cell: Cell) -> list[tuple[str, str, str]]:
        server, pattern = self._live_ids[cell.capability], CapabilityKey.of(cell.capability).name
        rules = self.plan.access.rules
        return [
            (rule_id, live_id(server, uri), "" if uri in ("*", pattern) else f"{LIVE} {uri}")
            for rule_id, uri in self._live_denies.get(server, ())
            if rule_id in self._holders and ((only := rules[rule_id].endpoints) is None or cell.endpoint in only)
        ]

    def says(self, rule_id: str) -> object:
        """All that a rule says, to whomever it is granted; equal on both sides where it means the same."""
        rule = self.plan.access.rules.get(rule_id)
        if rule is None or rule_id not in self._holders:
            return None
        terms = frozenset((t.atoms, t.sides) for t in self._terms(rule_id, "", ""))
        return rule.effect, rule.covers, rule.live, rule.endpoints, terms

    def touched(self, capabilities: AbstractSet[str]) -> Iterator[Cell]:
        """The cells in which one of the capabilities has a say, by itself or as what is called."""
        servers = {self._live_ids[c] for c in capabilities if c in self._live_ids}
        for cell in self.keys:
            made = self.calls.get(cell.capability)
            if (
                cell.capability in capabilities
                or cell.via in capabilities
                or (made is not None and not capabilities.isdisjoint(made.capabilities))
                or (cell.via == LIVE and self._live_ids[cell.capability] in servers)
            ):
                yield cell

    def terms(self, cell: Cell) -> Terms:
        """The terms of a cell; without any where there is no such cell."""
        if cell not in self.keys:
            return NOTHING
        allows, denies = self.parts(cell)
        key = (tuple(map(tuple, allows)), tuple(denies))
        if key not in self._made:
            stages = [
                [t for r, c in stage for t in self._terms(r, c, c if i else "")] for i, stage in enumerate(allows)
            ]
            against = tuple(t for r, c, under in denies for t in self._terms(r, c, under))
            self._made[key] = Terms(tuple(map(tuple, stages)), (*against, *self.refused))
        return self._made[key]

    def likeness(self, cell: Cell) -> object:
        """Equal for cells whose terms take the same: the same rules have a say, in the same way."""
        if cell not in self.keys:
            return None
        allows, denies = self.parts(cell)
        rules = self.plan.access.rules
        stages = tuple(
            tuple((r, bool(i) and rules[r].when is not None and c) for r, c in s) for i, s in enumerate(allows)
        )
        return stages, tuple((r, (c == u and rules[r].when is not None and c) or (c != u and u)) for r, c, u in denies)

    def _terms(self, rule_id: str, capability: str, under: str) -> tuple[Term, ...]:
        key = (rule_id, capability, under)
        if key not in self._rule_terms:
            self._rule_terms[key] = tuple(self._granted(rule_id, capability, under))
        return self._rule_terms[key]

    def _granted(self, rule_id: str, capability: str, under: str) -> Iterator[Term]:
        """A term for each conjunction that is granted the rule."""
        access = self.plan.access
        extra = list(conditions(access.rules[rule_id], under))
        for index in self._holders.get(rule_id, ()):
            grant = access.grants[index]
            for given in grant.to:
                speaks = BOTH_SIDES if grant.delegated == "union" else sides(given)
                atoms = self.implied.taken(given, extra, grant.expires)
                yield Term(atoms, speaks, index, given, rule_id, capability)


def live_id(server: str, uri: str) -> str:
    """The id under which a pattern of live resources is compared."""
    return CapabilityKey(server, "resource", uri).id


def suspects(before: Cells, after: Cells) -> set[Cell]:
    """Every cell whose terms may differ: a rule that says something else has a say in it, or it is of one side only."""
    rules = {*before.plan.access.rules, *after.plan.access.rules}
    touched = {made for made in {*before.calls, *after.calls} if before.calls.get(made) != after.calls.get(made)}
    for rule_id in rules:
        if before.says(rule_id) != after.says(rule_id):
            touched |= {
                c for cells in (before, after) if rule_id in cells.plan.access.rules for c in cells.covered(rule_id)
            }
    if before.refused != after.refused:
        return {*before.keys, *after.keys}
    found = {*(before.keys ^ after.keys)}
    return found.union(before.touched(touched), after.touched(touched)) if touched else found


def _calls(plan: Plan) -> Iterator[tuple[str, Calls]]:
    for name, binding in plan.bindings.items():
        for operation, made in binding.operations.items():
            yield CapabilityKey(f"binding:{name}", "tool", operation).id, Calls((made.capability,), "")
    for name, workflow in plan.workflows.items():
        steps = tuple(dict.fromkeys(step.capability for step in workflow.steps))
        yield CapabilityKey(f"workflow:{name}", "tool", name).id, Calls(steps, workflow.run_as)


def conditions(rule: Rule, under: str) -> Iterator[str]:
    """A condition as one atom a conjunct; what reads the arguments of a callee says of which."""
    prefix = IF if rule.effect == "allow" else UNLESS
    if under.startswith(f"{LIVE} "):
        yield f"{UNLESS}the URI matches {under.removeprefix(f'{LIVE} ')}"
        under = ""
    if rule.when is None:
        return
    for part in cast("Iterable[JsonValue]", conjuncts(cast("Any", rule.when))):
        yield prefix + jsontext.canonical(_of_callee(part, under) if under else part)


def _of_callee(ir: Any, callee: str) -> Any:
    if ir == ["var", "args"]:
        key = CapabilityKey.of(callee)
        return ["var", f"{key.server}.{key.name}.args"]
    if not isinstance(ir, list):
        return ir
    parts = cast("list[Any]", ir)
    return parts if parts[:1] == ["lit"] else [_of_callee(part, callee) for part in parts]
