"""A graph of a plan as values: what there is to draw, with no layout and no escaping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NodeKind = Literal[
    "subject", "conjunction", "role", "endpoint", "capability", "capabilities", "binding", "workflow", "server"
]
EdgeKind = Literal["member", "grant", "allow", "deny", "live", "offers", "calls", "provides"]

NODE_KINDS: tuple[NodeKind, ...] = (
    "subject",
    "conjunction",
    "role",
    "endpoint",
    "capability",
    "capabilities",
    "binding",
    "workflow",
    "server",
)
EDGE_KINDS: tuple[EdgeKind, ...] = ("member", "grant", "allow", "deny", "live", "offers", "calls", "provides")


@dataclass(frozen=True, slots=True)
class Node:
    """One thing; ``id`` is its logical name (`role:reader`, `capability:notes/tool/search`), unique in the graph.

    ``label`` is text of an author or an upstream: hostile. ``note`` is ours (`tool, read`); ``count`` is how many
    capabilities a `capabilities` node stands for, else 1.
    """

    id: str
    kind: NodeKind
    label: str
    note: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Edge:
    """One relation, or ``count`` of them between collapsed nodes.

    ``names`` are the advertised names of `offers`, the rule ids of `allow` and `deny`, and the globs of live resources;
    ``note`` is ours: conditions, ends, endpoints that a rule is narrowed to.
    """

    kind: EdgeKind
    source: str
    target: str
    count: int = 1
    names: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges, each once and in a fixed order; every edge's ends are among the nodes."""

    mesh: str
    digest: str
    focus: str | None
    access: bool
    collapsed: bool
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
