"""The first two passes: mesh.yaml's text to marked data, and marked data to the mesh as written."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.reader import FolderReader, inside
from meshplan.compiler.rules import report
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax import read_mesh


def source(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the entry file."""
    text = draft.reader.read(draft.entry)
    if text is None:
        return draft, (_no_file(draft),)
    root, found = read_yaml(draft.entry, text)
    if not text.strip():
        found = tuple(
            replace(empty, help=f"delete it and run `mesh init`, which writes a first `{draft.entry}`")
            for empty in found
        )
    return replace(draft, root=root, texts={**draft.texts, draft.entry: text}), found


def _no_file(draft: Draft) -> Diagnostic:
    span = Span(draft.entry, 1, 1, 1, 1, 0, 0)
    if not inside(draft.entry):
        advice = "name its folder with `--directory`: a mesh and what it includes lie in one folder"
        return report("no-mesh-file", span, f"`{draft.entry}` is not a path inside of the mesh's folder", help=advice)
    if isinstance(draft.reader, FolderReader) and draft.reader.is_folder(draft.entry):
        advice = "name the file in it with `--file`, or the folder with `--directory`"
        return report("no-mesh-file", span, f"`{draft.entry}` is a folder, not a file", help=advice)
    advice = "run `mesh init` to make one, or name it with `--file`"
    return report("no-mesh-file", span, f"there is no file `{draft.entry}`", help=advice)


def syntax(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the document as a mesh."""
    if draft.root is None:
        return draft, ()
    mesh, root, found, lost = read_mesh(draft.root)
    return replace(draft, mesh=mesh, root=root, whole=draft.root, lost=lost), found
