"""What nodes and edges say, before any format escapes it."""

from __future__ import annotations

from meshplan.compiler.render.graph.model import Edge, Node
from meshplan.compiler.render.view import visible

MAX_LABEL = 100
"""Characters of a label; a longer name is cut."""


def cut(text: str) -> str:
    """Text on one line and of bounded length, with whatever could not be seen as escapes."""
    shown = visible(text[: MAX_LABEL + 1])
    return shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…"


def node_lines(node: Node) -> list[str]:
    """One or two lines: the name, and what it is."""
    what = {"capabilities": node.note, "conjunction": "all of these"}.get(node.kind, node.kind)
    if node.note and node.kind != "capabilities":
        what = node.note if node.kind == "capability" else f"{node.kind}, {node.note}"
    return [cut(node.label), *([] if node.kind == "subject" else [what])]


def edge_text(edge: Edge, target: Node) -> str:
    """A few words, or none where the ends say it all."""
    words: list[str] = [] if edge.kind in {"member", "grant", "offers", "provides"} else [edge.kind]
    if edge.count > 1 and edge.kind != "provides":
        words.append(f"{edge.count}")
    if edge.kind == "offers" and edge.names not in {(), (target.label,)}:
        words.append(f"as {', '.join(edge.names)}")
    if edge.note:
        words.append(edge.note)
    return cut(" ".join(words))
