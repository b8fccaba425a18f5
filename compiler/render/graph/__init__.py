"""`mesh graph`: a plan drawn as Mermaid, DOT or JSON; pure functions over a bundle."""

from __future__ import annotations

from meshplan.compiler.render.graph.build import MAX_CAPABILITIES, build_graph
from meshplan.compiler.render.graph.dot import render_dot
from meshplan.compiler.render.graph.focus import Focus, FocusError, parse_focus
from meshplan.compiler.render.graph.json import render_json
from meshplan.compiler.render.graph.mermaid import MAX_EDGES, render_mermaid
from meshplan.compiler.render.graph.model import Edge, Graph, Node

__all__ = [
    "MAX_CAPABILITIES",
    "MAX_EDGES",
    "Edge",
    "Focus",
    "FocusError",
    "Graph",
    "Node",
    "build_graph",
    "parse_focus",
    "render_dot",
    "render_json",
    "render_mermaid",
]
