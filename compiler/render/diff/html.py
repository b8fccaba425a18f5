"""A diff as one page to look at: no script, nothing fetched, every foreign word escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from meshplan.compiler.diff.model import Diff
from meshplan.compiler.render.diff.matrix import matrix, surfaces
from meshplan.compiler.render.diff.phrase import quoted
from meshplan.compiler.render.diff.sections import closing, sections
from meshplan.compiler.render.diff.summary import in_words, summary
from meshplan.compiler.render.view import visible

_LABELS = {
    "access_added": "access gained",
    "access_removed": "access lost",
    "breaking": "breaking",
    "widening": "widening",
    "changes": "resources",
    "lock": "lock",
    "unacknowledged": "not acknowledged",
}
OPEN = 100
"""Entries of a section that are seen without a click."""


def render_html(diffs: Sequence[Diff]) -> str:
    """The page; light or dark as the reader's system is."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["seen"] = visible
    text = files("meshplan.compiler.render.diff").joinpath("templates", "diff.html.jinja").read_text(encoding="utf-8")
    empty = all(diff.empty for diff in diffs)
    page = environment.from_string(text).render(
        title="no change" if empty else in_words(diffs),
        empty=empty,
        numbers=[(name, _LABELS[name], number) for name, number in summary(diffs).items()],
        groups=[_group(diff) for diff in diffs],
        open=OPEN,
    )
    return page + "\n"


def _group(diff: Diff) -> dict[str, object]:
    return {
        "before": quoted(diff.before.label).text,
        "after": quoted(diff.after.label).text,
        "before_digest": diff.before.digest,
        "after_digest": diff.after.digest,
        "environments": [quoted(name).text for name in diff.environments],
        "empty": diff.empty,
        "words": "no change" if diff.empty else in_words([diff]),
        "matrix": matrix(diff),
        "surfaces": surfaces(diff),
        "sections": () if diff.empty else sections(diff),
        "closing": list(closing(diff)),
    }
