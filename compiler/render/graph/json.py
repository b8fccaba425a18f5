"""A graph as versioned JSON, for whoever draws it otherwise; ASCII only, so that nothing in it can hide."""

from __future__ import annotations

import json

from meshplan.compiler.render.graph.model import Graph

FORMAT = "mesh.dev/graph/v1"


def render_json(graph: Graph) -> str:
    """The document that docs/graph.md describes."""
    document = {
        "format": FORMAT,
        "mesh": graph.mesh,
        "digest": graph.digest,
        "focus": graph.focus,
        "access": graph.access,
        "collapsed": graph.collapsed,
        "nodes": [
            {"id": node.id, "kind": node.kind, "label": node.label, "note": node.note, "count": node.count}
            for node in graph.nodes
        ],
        "edges": [
            {
                "kind": edge.kind,
                "from": edge.source,
                "to": edge.target,
                "count": edge.count,
                "names": list(edge.names),
                "note": edge.note,
            }
            for edge in graph.edges
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"
