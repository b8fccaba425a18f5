"""Changes of locks as lines of text and as JSON data; everything that came from upstream is made visible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from meshplan.compiler.diff.model import Detail, LockChange
from meshplan.compiler.render.view import visible
from meshplan.schemas import jsontext
from meshplan.schemas.capability import CapabilityKey

MAX_CHANGES: Final = 50
MAX_DETAILS: Final = 4
_WIDTH: Final = 100


def change_lines(changes: Iterable[LockChange]) -> Iterator[str]:
    """One line a change and up to ``MAX_DETAILS`` indented ones below it; after ``MAX_CHANGES`` only their number."""
    shown = list(changes)
    for change in shown[:MAX_CHANGES]:
        flags = [word for word, on in (("BREAKING", change.breaking), ("WIDENING", change.widening)) if on]
        yield f"{' '.join(flags) or 'note':<17}  {_subject(change)}: {', '.join(change.classes)}{_resembles(change)}"
        for detail in change.details[:MAX_DETAILS]:
            yield f"{'':<19}  {_detail(detail)}"
        if len(change.details) > MAX_DETAILS:
            yield f"{'':<19}  and {len(change.details) - MAX_DETAILS} more"
    if len(shown) > MAX_CHANGES:
        yield f"and {len(shown) - MAX_CHANGES} more changes"


def change_data(change: LockChange) -> dict[str, Any]:
    """A change for programs."""
    return {
        "capability": change.capability,
        "classes": list(change.classes),
        "breaking": change.breaking,
        "widening": change.widening,
        "renamed_from": change.renamed_from,
        "score": change.score,
        "details": [{"path": d.path, "before": d.before, "after": d.after} for d in change.details],
    }


def _subject(change: LockChange) -> str:
    if change.capability is None:
        return "the server"
    key = CapabilityKey.of(change.capability)
    return f"{key.kind} {_short(key.name)}"


def _resembles(change: LockChange) -> str:
    if change.renamed_from is None:
        return ""
    return f" (resembles {_short(CapabilityKey.of(change.renamed_from).name)}, {change.score})"


def _detail(detail: Detail) -> str:
    if detail.before is None and isinstance(detail.after, str) and detail.path.partition("/")[0] in ("input", "output"):
        return f"{_short(detail.path)}: {_short(detail.after)}"
    before = "absent" if detail.before is None else _short(jsontext.canonical(detail.before))
    after = "absent" if detail.after is None else _short(jsontext.canonical(detail.after))
    return f"{_short(detail.path)}: {before} → {after}"


def _short(text: str) -> str:
    return visible(text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…")
