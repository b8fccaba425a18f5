"""A graph as Mermaid's flowchart; every character that Mermaid, HTML or Markdown could take for its own is an entity."""

from __future__ import annotations

import re

from meshplan.compiler.render.graph.labels import edge_text, node_lines
from meshplan.compiler.render.graph.model import Graph, NodeKind

MAX_EDGES = 500
"""What Mermaid draws unless its site is configured otherwise."""

_SHAPES: dict[NodeKind, tuple[str, str]] = {
    "subject": ("([", "])"),
    "conjunction": ("{{", "}}"),
    "role": ("(", ")"),
    "endpoint": ("[[", "]]"),
    "capability": ("[", "]"),
    "capabilities": ("[", "]"),
    "binding": ("[/", "/]"),
    "workflow": ("[/", "/]"),
    "server": ("[(", ")]"),
}
_STYLES: dict[NodeKind, str] = {
    "subject": "fill:#dbeafe,stroke:#1d4ed8,color:#111",
    "conjunction": "fill:#dbeafe,stroke:#1d4ed8,color:#111",
    "role": "fill:#ede9fe,stroke:#6d28d9,color:#111",
    "endpoint": "fill:#dcfce7,stroke:#15803d,color:#111",
    "capability": "fill:#f4f4f5,stroke:#71717a,color:#111",
    "capabilities": "fill:#f4f4f5,stroke:#71717a,color:#111",
    "binding": "fill:#fef9c3,stroke:#a16207,color:#111",
    "workflow": "fill:#fef9c3,stroke:#a16207,color:#111",
    "server": "fill:#ffedd5,stroke:#c2410c,color:#111",
}
_PLAIN = re.compile(r"[^\W_]+(?:(?:://|[_.:/-])[^\W_]+)*|[ ,()]|[\s\S]")


def mermaid_text(text: str) -> str:
    """Text for a quoted label: words and a few marks within them as they are, anything else as `#CODE;`."""
    return "".join(
        part if len(part) > 1 or part.isalnum() or part in " ,()" else f"#{ord(part)};" for part in _PLAIN.findall(text)
    )


def render_mermaid(graph: Graph) -> str:
    """The flowchart, left to right."""
    targets = {node.id: node for node in graph.nodes}
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        left, right = _SHAPES[node.kind]
        label = "<br>".join(map(mermaid_text, node_lines(node)))
        lines.append(f'  {ids[node.id]}{left}"{label}"{right}:::{node.kind}')
    for edge in graph.edges:
        arrow = "-.->" if edge.kind in {"deny", "live"} else "-->"
        text = mermaid_text(edge_text(edge, targets[edge.target]))
        said = f'|"{text}"|' if text else ""
        lines.append(f"  {ids[edge.source]} {arrow}{said} {ids[edge.target]}")
    denied = [str(number) for number, edge in enumerate(graph.edges) if edge.kind == "deny"]
    if denied:
        lines.append(f"  linkStyle {','.join(denied)} stroke:#b91c1c,color:#b91c1c")
    used = {node.kind for node in graph.nodes}
    lines += [f"  classDef {kind} {style}" for kind, style in _STYLES.items() if kind in used]
    return "\n".join(lines) + "\n"
