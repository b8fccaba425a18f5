"""A graph in Graphviz's DOT language; names are only ever inside quoted strings."""

from __future__ import annotations

from meshplan.compiler.render.graph.labels import edge_text, node_lines
from meshplan.compiler.render.graph.model import Graph, NodeKind

_SHAPES: dict[NodeKind, str] = {
    "subject": 'shape=ellipse fillcolor="#dbeafe"',
    "conjunction": 'shape=hexagon fillcolor="#dbeafe"',
    "role": 'shape=box style="rounded,filled" fillcolor="#ede9fe"',
    "endpoint": 'shape=box peripheries=2 fillcolor="#dcfce7"',
    "capability": 'shape=box fillcolor="#f4f4f5"',
    "capabilities": 'shape=box3d fillcolor="#f4f4f5"',
    "binding": 'shape=parallelogram fillcolor="#fef9c3"',
    "workflow": 'shape=parallelogram fillcolor="#fef9c3"',
    "server": 'shape=cylinder fillcolor="#ffedd5"',
}


def dot_text(text: str) -> str:
    r"""A quoted string: quotes and backslashes escaped, and `&`, since Graphviz reads HTML entities in any label."""
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render_dot(graph: Graph) -> str:
    """The digraph, left to right."""
    targets = {node.id: node for node in graph.nodes}
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = [
        "digraph mesh {",
        "  rankdir=LR;",
        '  node [style=filled fontname="sans-serif" fontsize=11];',
        '  edge [fontname="sans-serif" fontsize=9];',
    ]
    for node in graph.nodes:
        label = "\\n".join(dot_text(line)[1:-1] for line in node_lines(node))
        lines.append(f'  {ids[node.id]} [label="{label}" {_SHAPES[node.kind]}];')
    for edge in graph.edges:
        text = edge_text(edge, targets[edge.target])
        attributes = [f"label={dot_text(text)}"] if text else []
        attributes += ['color="#b91c1c" style=dashed'] if edge.kind == "deny" else []
        attributes += ["style=dotted"] if edge.kind == "live" else []
        shown = f" [{' '.join(attributes)}]" if attributes else ""
        lines.append(f"  {ids[edge.source]} -> {ids[edge.target]}{shown};")
    return "\n".join([*lines, "}"]) + "\n"
