"""The first two passes: mesh.yaml's text to marked data, and marked data to the mesh as written."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostics, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.rules import report
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax import read_mesh


def source(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the entry file."""
    text = draft.reader.read(draft.entry)
    if text is None:
        span = Span(draft.entry, 1, 1, 1, 1, 0, 0)
        advice = "run `mesh init` to make one, or name it with `--file`"
        return draft, (report("no-mesh-file", span, f"there is no file `{draft.entry}`", help=advice),)
    root, found = read_yaml(draft.entry, text)
    return replace(draft, root=root, texts={**draft.texts, draft.entry: text}), found


def syntax(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the document as a mesh."""
    if draft.root is None:
        return draft, ()
    mesh, root, found, lost = read_mesh(draft.root)
    return replace(draft, mesh=mesh, root=root, whole=draft.root, lost=lost), found
