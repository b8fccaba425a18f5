"""Diagnostics for a pull request's comment or a step summary: one table, and where each stands, within GitHub's limit."""

from __future__ import annotations

import re
from collections.abc import Iterable

from meshplan.compiler.render.text import block, summary
from meshplan.compiler.render.view import DiagnosticView, visible

LIMIT = 65_536
"""Characters of a comment. A step summary may hold 1 MiB."""
_CELL = 600
_NOTE = 400
_PIECES = re.compile(r"[|`]|[^|`]+")
_ENDS = {"|": "<code>&#124;</code>", "`": "<code>&#96;</code>"}
_ACTIVE_IN_PROSE = re.compile(r"[^A-Za-z0-9 ,.;?()'“”…-]|\.(?=\S)")
_ICONS = {"error": "❌ error", "warning": "⚠️ warning", "advice": "💡 advice"}


def render_markdown(views: Iterable[DiagnosticView], *, limit: int = LIMIT) -> str:
    """The comment: at most ``limit`` characters; what does not fit is counted, never cut in the middle."""
    shown = list(views)
    if not shown:
        return "### mesh validate: ok\n"
    head = f"### mesh validate: {summary(shown)}\n\n| level | code | where | what | way out |\n| --- | --- | --- | --- | --- |\n"
    table, used = _fitting([_row(view) for view in shown], limit - len(head) - _NOTE)
    details, _ = _fitting([_detail(view) for view in shown[: len(table)]], limit - len(head) - _NOTE - used)
    parts = [head, *table]
    if len(table) < len(shown):
        parts.append(f"\n{len(shown) - len(table)} more are not shown here: run `mesh validate`.\n")
    if details:
        missing = "" if len(details) == len(shown) else f" (the first {len(details)})"
        parts += [f"\n<details>\n<summary>The places in the files{missing}</summary>\n\n", *details, "</details>\n"]
    return "".join(parts)


def _fitting(pieces: list[str], room: int) -> tuple[list[str], int]:
    """The first pieces that fit, and how long they are together."""
    used = 0
    for index, piece in enumerate(pieces):
        if used + len(piece) > room:
            return pieces[:index], used
        used += len(piece)
    return pieces, used


def _row(view: DiagnosticView) -> str:
    span = view.place.span
    cells = (
        _ICONS[view.severity],
        code(view.code),
        code(f"{span.file}:{span.line}:{span.column}"),
        prose(_short(view.message)),
        prose(_short(view.help or "")),
    )
    return f"| {' | '.join(cells)} |\n"


def _short(text: str) -> str:
    return text if len(text) <= _CELL else text[:_CELL] + "…"


def _detail(view: DiagnosticView) -> str:
    """The block of the text rendering, in a fence that nothing in it can close."""
    text = block(view)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}{fence}\n\n"


def prose(text: str) -> str:
    """A message in which only its `code` is formatted: whatever a file put into it stays text.

    Words between a pair of backticks become code; all else is escaped, so that a backtick too many changes nothing. The
    blank between two pieces of code keeps their own backticks apart.
    """
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = [f"{parts[-2]}`{parts[-1]}"]
    return "".join(code(part) if index % 2 else _escaped(part) or " " for index, part in enumerate(parts)).strip()


def code(text: str) -> str:
    """Text as code in a table's cell: no markup, link, mention or column ends inside it.

    A pipe or a backtick would end the cell or the code, so each is an entity between pieces of code. An entity would not
    do for `@` and the like: cmark-gfm and GitHub look for those after entities are read, but never in code.
    """
    return "".join(_ENDS.get(piece, f"`{piece}`") for piece in _PIECES.findall(visible(text)))


def _escaped(text: str) -> str:
    """Plain text; what GitHub would link by itself (@name, #1) is broken by code, as an entity is linked all the same."""
    return _ACTIVE_IN_PROSE.sub(_inert, text)


def _inert(match: re.Match[str]) -> str:
    char = match.group()
    if char in "@#":
        return f"<code>{char}</code>"
    return f"&#{ord(char)};" if char.isascii() else char
