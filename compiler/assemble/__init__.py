"""One document from several files and for one environment: includes, then the environment's patches, then parameters.

Everything happens on parsed, marked data: no text is ever pasted into text.
"""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.assemble.includes import included
from meshplan.compiler.assemble.parameters import expanded
from meshplan.compiler.assemble.patches import patched
from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.draft import Draft


def assemble(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: the document that the rest of the compiler sees."""
    if draft.root is None:
        return draft, ()
    root, texts, found = included(draft.reader, draft.entry, draft.root)
    patches = patched(root, draft.environment)
    parameters = expanded(root, draft.environment, draft.parameters)
    return replace(draft, root=root, texts={**draft.texts, **texts}), (*found, *patches, *parameters)
