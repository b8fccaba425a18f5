"""Credentials anywhere in the files: by shape in every line, comments included, and in what is set for a caller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from meshplan.compiler.checks.credentials import Suspect, in_named, shaped, written_out
from meshplan.compiler.diagnostics import Diagnostic, Path, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.malformed import place_at
from meshplan.compiler.marks import MapNode, locate
from meshplan.compiler.newlines import normalised
from meshplan.compiler.rules import report
from meshplan.compiler.within import within

_MARKS: Final = re.compile(
    r"gh[pousr]_|github_pat|gl[a-z]+[-_]|\bsk-|gsk_|xai-|tvly-|lin_api|hf_|ntn_|dop_v1|shp[a-z]+_|\bSG\.|figd_|k_live_|k_test_"
    r"|whsec_|xox|xapp-|hooks\.slack|AKIA|ASIA|AIza|ya29|npm_|pypi-|dckr_|\bhv[sbr]\.|eyJ|PRIVATE KEY"
)
"""What a file must hold somewhere before each of its places is worth a look."""


def credentials(draft: Draft) -> list[Diagnostic]:
    """What servers hold, what is set for a caller or is a parameter, and every other place by shape; each place once."""
    if draft.root is None:
        return []
    found = [*written_out(draft), *_named(draft)]
    for file, source in draft.texts.items():
        text = normalised(source)
        told = [d.span for d in found if d.span.file == file]
        for suspect in shaped(text) if _MARKS.search(text) else ():
            if not any(span.start < suspect.end and suspect.start < span.end for span in told):
                advice = "take it out, have it replaced where it was issued, and name a variable or a file that holds the new one"
                span = _span(file, text, suspect)
                found.append(report("credential-in-file", span, f"{suspect.what} is written out here", help=advice))
    return found


def _span(file: str, text: str, suspect: Suspect) -> Span:
    start, end = place_at(text, suspect.start), place_at(text, suspect.end)
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1, suspect.start, suspect.end)


def _named(draft: Draft) -> Iterator[Diagnostic]:
    for path, name, text in _values(draft):
        suspect = in_named(name, text)
        if suspect is None or draft.root is None:
            continue
        at = locate(draft.root, path)
        source = normalised(draft.texts.get(at.file, ""))
        span = within(at, source, text, suspect.start, suspect.end)
        advice = "a value that stands here is in the plan for everybody to read; let the server read it from its `env`"
        slug = "credential-in-file" if suspect.certain else "possible-secret"
        said = "is written out here" if suspect.certain else "looks like a secret that is written out"
        yield report(slug, span, f"{suspect.what} {said}", help=advice)


def _values(draft: Draft) -> Iterator[tuple[Path, str, str]]:
    """What an endpoint sets in a call, and what parameters are worth, in every environment."""
    if draft.mesh is not None:
        for endpoint, virtual in draft.mesh.virtual.items():
            for tool, override in virtual.tools.items():
                for name, value in override.set.items():
                    if isinstance(value, str):
                        yield ("virtual", endpoint, "tools", tool, "set", name), name, value
    parameters = draft.root.get("parameters") if draft.root is not None else None
    for name, entry in parameters.items() if isinstance(parameters, MapNode) else ():
        if isinstance(entry, MapNode) and isinstance(value := entry.get("default"), str):
            yield ("parameters", name, "default"), name, value
