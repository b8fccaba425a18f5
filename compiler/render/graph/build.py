"""A plan as a graph: subjects hold roles, roles allow and deny capabilities, endpoints offer them, servers provide them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from meshplan.compiler.render.graph.focus import Focus, Scope, calls, scope
from meshplan.compiler.render.graph.model import EDGE_KINDS, NODE_KINDS, Edge, EdgeKind, Graph, Node
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import KINDS
from meshplan.schemas.plan import Capability, Grant, Plan, Rule

MAX_CAPABILITIES = 200
"""More than this are drawn as one node a server, unless something is focused."""
_NOTED = 3
"""Endpoints that a rule is narrowed to, named in a note."""


def build_graph(bundle: Bundle, *, focus: Focus | None = None, access: bool = False) -> Graph:
    """The graph of a plan; ``access`` adds subjects, roles and rules, which a focus on a principal always has."""
    shown = access or (focus is not None and focus.kind == "principal")
    drawing = _Drawing(bundle.plan, scope(bundle.plan, focus), collapse=focus is None)
    raw = [*drawing.routing(), *(drawing.access() if shown else ())]
    edges = _merged(raw)
    nodes = {node.id: node for node in drawing.nodes({end for edge in edges for end in (edge.source, edge.target)})}
    if focus is not None and focus.kind == "principal":
        nodes |= {node.id: node for node in map(_subject, focus.subjects)}
    return Graph(
        mesh=bundle.plan.mesh,
        digest=bundle.digest,
        focus=f"{focus.kind}:{focus.name}" if focus else None,
        access=shown,
        collapsed=drawing.collapsed,
        nodes=tuple(sorted(nodes.values(), key=lambda node: (NODE_KINDS.index(node.kind), node.id))),
        edges=tuple(sorted(edges, key=lambda edge: (EDGE_KINDS.index(edge.kind), edge.source, edge.target))),
    )


class _Raw(NamedTuple):
    """One relation; ``about`` is the capability that it concerns, whatever node stands for that."""

    kind: EdgeKind
    source: str
    target: str
    about: str = ""
    name: str | None = None
    note: str = ""


def _merged(raw: Iterable[_Raw]) -> list[Edge]:
    """One edge between two nodes for each kind, with every name and note that it stands for."""
    found: dict[tuple[EdgeKind, str, str], list[_Raw]] = {}
    for edge in raw:
        found.setdefault((edge.kind, edge.source, edge.target), []).append(edge)
    return [
        Edge(
            *key,
            count=len({edge.about for edge in edges}),
            names=tuple(sorted({edge.name for edge in edges if edge.name is not None})),
            note=_common_note(edges),
        )
        for key, edges in found.items()
    ]


def _common_note(edges: list[_Raw]) -> str:
    """What holds of all of them; of one capability, what is without a note makes the others' pointless."""
    notes = {edge.note for edge in edges}
    said = "; ".join(sorted(notes - {""}))
    if "" not in notes or not said:
        return said
    return f"in part {said}" if len({edge.about for edge in edges}) > 1 else ""


class _Drawing:
    """One plan and what is drawn of it."""

    def __init__(self, plan: Plan, chosen: Scope, *, collapse: bool) -> None:
        self._plan = plan
        self._scope = chosen
        self.collapsed = collapse and len(chosen.capabilities) > MAX_CAPABILITIES

    def _capability(self, name: str) -> str:
        return f"capabilities:{self._plan.capabilities[name].server}" if self.collapsed else f"capability:{name}"

    def routing(self) -> Iterator[_Raw]:
        """Servers provide, endpoints offer and forward, bindings and workflows call."""
        for name in self._scope.capabilities:
            server = self._plan.capabilities[name].server
            yield _Raw("provides", f"server:{server}", self._capability(name), name)
        for endpoint in self._scope.endpoints:
            found = self._plan.endpoints[endpoint]
            for offer in found.offers:
                if offer.capability in self._scope.capabilities:
                    shown, name = self._capability(offer.capability), None if self.collapsed else offer.name
                    yield _Raw("offers", f"endpoint:{endpoint}", shown, offer.capability, name)
            for server in found.live:
                yield _Raw("live", f"endpoint:{endpoint}", f"server:{server}")
        for caller, behind in calls(self._plan).items():
            for inner in behind:
                if {caller, inner} <= self._scope.capabilities:
                    yield _Raw("calls", self._capability(caller), self._capability(inner), f"{caller} {inner}")

    def access(self) -> Iterator[_Raw]:
        """Grants, and what the rules of the roles cover."""
        for grant in self._plan.access.grants:
            if grant.role in self._scope.rules:
                yield from self._grant(grant)
        for role, rules in self._scope.rules.items():
            for rule_id in rules:
                yield from self._rule(role, rule_id, self._plan.access.rules[rule_id])

    def _grant(self, grant: Grant) -> Iterator[_Raw]:
        ends = [f"until {grant.expires}"] if grant.expires else []
        note = ", ".join([*ends, *(["user or agent"] if grant.delegated == "union" else [])])
        for conjunction in grant.to:
            if not self._scope.grants(conjunction):
                continue
            holder = _holder(conjunction)
            yield _Raw("grant", holder, f"role:{grant.role}", note=note)
            if len(conjunction) > 1:
                for subject in conjunction:
                    yield _Raw("member", f"subject:{subject}", holder)

    def _rule(self, role: str, rule_id: str, rule: Rule) -> Iterator[_Raw]:
        note = ", ".join([*(["on a condition"] if rule.when is not None else []), *_narrowed(rule.endpoints)])
        for name in rule.covers:
            if name in self._scope.capabilities:
                yield _Raw(rule.effect, f"role:{role}", self._capability(name), name, rule_id, note)
        forwarded = {server for name in self._scope.endpoints for server in self._plan.endpoints[name].live}
        for live in rule.live:
            if live.server in forwarded:
                for glob in live.uris:
                    yield _Raw(rule.effect, f"role:{role}", f"server:{live.server}", name=glob, note=note)

    def nodes(self, drawn: Iterable[str]) -> Iterator[Node]:
        """A node for every end of an edge, and for endpoints and servers that nothing leads to."""
        alone = {f"endpoint:{name}" for name in self._scope.endpoints}
        if len(self._scope.capabilities) == len(self._plan.capabilities):
            alone |= {f"server:{name}" for name in self._plan.servers}
        counts: dict[str, list[Capability]] = {}
        if self.collapsed:
            for capability in self._plan.capabilities.values():
                counts.setdefault(capability.server, []).append(capability)
        for node in {*drawn, *alone}:
            kind, _, name = node.partition(":")
            yield self._node(node, kind, name, counts)

    def _node(self, node: str, kind: str, name: str, counts: dict[str, list[Capability]]) -> Node:
        match kind:
            case "subject":
                return _subject(name)
            case "conjunction":
                return Node(node, "conjunction", name)
            case "role":
                return Node(node, "role", name)
            case "endpoint":
                return Node(node, "endpoint", name, self._plan.endpoints[name].strategy.kind)
            case "capability":
                found = self._plan.capabilities[name]
                return Node(node, "capability", found.name, _described(found))
            case "capabilities":
                return Node(node, "capabilities", name, _counted(counts[name]), len(counts[name]))
            case _:
                return self._provider(node, name)

    def _provider(self, node: str, name: str) -> Node:
        maker, _, own = name.partition(":")
        if maker == "binding" and own in self._plan.bindings:
            return Node(node, "binding", own, self._plan.bindings[own].contract)
        if maker == "workflow" and own in self._plan.workflows:
            return Node(node, "workflow", own)
        return Node(node, "server", name, self._plan.servers[name].transport.kind)


def _subject(name: str) -> Node:
    return Node(f"subject:{name}", "subject", name)


def _holder(conjunction: tuple[str, ...]) -> str:
    return f"subject:{conjunction[0]}" if len(conjunction) == 1 else f"conjunction:{' + '.join(conjunction)}"


def _narrowed(endpoints: tuple[str, ...] | None) -> list[str]:
    if endpoints is None:
        return []
    more = f" and {len(endpoints) - _NOTED} more" if len(endpoints) > _NOTED else ""
    return [f"at {', '.join(endpoints[:_NOTED])}{more}"]


def _described(capability: Capability) -> str:
    return f"tool, {capability.effect}" if capability.kind == "tool" else capability.kind


def _counted(capabilities: list[Capability]) -> str:
    numbers = {kind: sum(c.kind == kind for c in capabilities) for kind in KINDS}
    return ", ".join(f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in numbers.items() if number)
