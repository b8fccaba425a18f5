"""A diff for a pull request's comment: the most dangerous first, within GitHub's limit, and nothing foreign is markup."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from meshplan.compiler.diff.model import Diff
from meshplan.compiler.render.diff.fitting import Fitted, Piece, fitting, shares
from meshplan.compiler.render.diff.item import Item
from meshplan.compiler.render.diff.phrase import Phrase, listed, phrase, quoted
from meshplan.compiler.render.diff.sections import Section, closing, sections
from meshplan.compiler.render.diff.summary import in_words
from meshplan.compiler.render.markdown import LIMIT, code, prose

OPEN = 20
"""Entries of a section that are seen without a click."""
_COLLAPSED = {"resources", "lock", "tokens"}
_LINES = 12
_CAUSES = 4
_NOTE = 200
_CLOSED = "\n</details>\n"
_MARKER = 200
_SIGNS = {"+": "**+**", "-": "**-**", "~": "**~**"}
_EFFECTS = {"destructive": "🔴", "write": "🟠", "read": "🟢"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One group of environments, ready to be fitted."""

    head: str
    sections: tuple[tuple[Section, list[Piece], int], ...]
    """Each with its entries and its whole length."""
    last: str

    @property
    def size(self) -> int:
        return len(self.head) + sum(size for _, _, size in self.sections) + len(self.last)


def render_markdown(diffs: Sequence[Diff], limit: int = LIMIT) -> str:
    """The comment, at most ``limit`` characters; what does not fit is counted, and `mesh diff` shows it."""
    parts = [_part(diff, alone=len(diffs) == 1) for diff in diffs]
    texts = [f"{marker(diffs)}\n### mesh diff: {prose(_title(diffs))}\n"]
    room = limit - len(texts[0])
    if sum(part.size for part in parts) > room and len(parts) > 1:
        room -= _NOTE
    granted = shares([part.size for part in parts], room)
    fits = [(p, share) for p, share in zip(parts, granted, strict=True) if share >= min(p.size, len(p.head) + _NOTE)]
    texts += [part.head + _body(part, share - len(part.head)) for part, share in fits]
    if len(fits) < len(parts):
        texts.append(f"\n{_missing(len(parts) - len(fits), 'groups of environments')}")
    return "".join(texts)


def marker(diffs: Sequence[Diff]) -> str:
    """The invisible first line by which a comment is found again: the same while the environments are."""
    names = sorted({name for diff in diffs for name in diff.environments}) or ["default"]
    text = ",".join(quote(name, safe="", errors="surrogatepass").replace("--", "-%2D") for name in names)
    if len(text) > _MARKER:
        text = hashlib.sha256(text.encode()).hexdigest()
    return f"<!-- meshplan:diff:{text} -->"


def _title(diffs: Sequence[Diff]) -> str:
    return "no change" if all(diff.empty for diff in diffs) else in_words(diffs)


def _head(diff: Diff, *, alone: bool) -> str:
    sides = _md(phrase(quoted(diff.before.label), " → ", quoted(diff.after.label)))
    names = [phrase(quoted(name)) for name in diff.environments[:OPEN]]
    left = len(diff.environments) - len(names)
    more = f" and {left} more" if left else ""
    there = _md(phrase("for ", listed(names, last=", " if left else " and "), more)) if names else ""
    title = "" if alone else f"\n#### {there or 'for the mesh without an environment'}\n"
    numbers = "" if alone else f": {prose(_title([diff]))}"
    return f"{title}\n{sides}{f', {there}' if alone and there else ''}{numbers}\n"


def _part(diff: Diff, *, alone: bool) -> _Part:
    found: list[tuple[Section, list[Piece], int]] = []
    for section in () if diff.empty else sections(diff):
        pieces = [_piece(item) for item in section.entries]
        found.append((section, pieces, len(_section(section, pieces, 1 << 40) or "")))
    return _Part(_head(diff, alone=alone), tuple(found), _closing(diff))


def _body(part: _Part, room: int) -> str:
    """Sections that share the room, and what is said last where there is room for it."""
    if part.size <= room + len(part.head):
        return "".join([*(_section(section, pieces, size) or "" for section, pieces, size in part.sections), part.last])
    last = part.last if len(part.last) <= room // 4 else ""
    granted = shares([size for _, _, size in part.sections], room - len(last) - _NOTE)
    texts = [_section(section, pieces, g) for (section, pieces, _), g in zip(part.sections, granted, strict=True)]
    found = [text for text in texts if text is not None]
    left = len(texts) - len(found)
    return "".join([*found, f"\n{_missing(left, 'sections')}" if left else "", last])


def _section(section: Section, pieces: list[Piece], room: int) -> str | None:
    """A heading and its list, ``None`` without room for any; long lists and what is seldom read open with a click."""
    closed = section.key in _COLLAPSED
    folds = not closed and len(pieces) > OPEN
    title = section.title + (f" ({len(pieces)})" if pieces else "")
    head = _opened(title) if closed else f"\n##### {title}\n\n"
    head += f"{_md(section.note)}\n\n" if section.note else ""
    fold = _opened(f"{len(pieces) - OPEN} more") if folds else ""
    left_room = room - len(head) - len(fold) - len(_CLOSED) * (closed + folds)
    if sum(len(piece.full) for piece in pieces) > left_room:
        left_room -= _NOTE
    fitted = fitting(pieces, left_room)
    if left_room < 0 or fitted.left == len(pieces) > 0:
        counted_only = f"\n{section.title}: {_missing(fitted.left, 'changes')}"
        return counted_only if fitted.left and len(counted_only) <= room else None
    seen, folded = (fitted.texts[:OPEN], fitted.texts[OPEN:]) if folds else (fitted.texts, [])
    lines = "".join([*seen, *([fold, *folded, _CLOSED] if folded else [])])
    return head + lines + _left_out(fitted) + (_CLOSED if closed else "")


def _left_out(fitted: Fitted) -> str:
    whole = _missing(fitted.left, "changes") if fitted.left else ""
    causes = f"{fitted.brief} without their causes and details, which are not shown here: run `mesh diff`\n"
    return "".join(f"\n{text}" for text in (causes if fitted.brief else "", whole) if text)


def _opened(title: str) -> str:
    return f"\n<details>\n<summary>{title}</summary>\n\n"


def _missing(number: int, what: str) -> str:
    return f"{number} more {what} not shown here: run `mesh diff`\n"


def _piece(item: Item) -> Piece:
    icon = _SIGNS[item.sign] + (f" {_EFFECTS[item.effect]}" if item.effect else "")
    grades = f" **{' and '.join(item.grades)}**" if item.grades else ""
    agreed = bool(item.standings) and all(standing.agreed for standing in item.standings)
    head = f"- {icon} {_md(item.headline)}{grades}{' ☑️ acknowledged' if agreed else ''}\n"
    return Piece(head + "".join(f"  - {line}\n" for line in _below(item)), head)


def _below(item: Item) -> list[str]:
    """What belongs to a headline, each list cut after some lines."""
    causes = [f"{'or ' if index else ''}because {_md(cause)}" for index, cause in enumerate(item.causes)]
    found = [*_cut([_md(line) for line in item.also], _LINES), *_cut(causes, _CAUSES)]
    found += _cut([_md(line) for line in (*item.members, *item.details)], _LINES)
    return [*found, *(_md(standing.text) for standing in item.standings)]


def _cut(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]


def _closing(diff: Diff) -> str:
    lines = _cut([_md(said) for said in closing(diff)], _LINES)
    return "\n" + "".join(f"- ⚠️ {line}\n" for line in lines) if lines else ""


def _md(sentence: Phrase) -> str:
    """Foreign words as code, ours as text; a blank keeps the backticks of two pieces of code apart."""
    parts: list[str] = []
    before = False
    for word in sentence:
        if word.code and before:
            parts.append(" ")
        parts.append(code(word.text) if word.code else _spaced(word.text))
        before = word.code
    return "".join(parts)


def _spaced(text: str) -> str:
    """Plain words with the blanks around them."""
    inner = text.strip(" ")
    if not inner:
        return text
    start = len(text) - len(text.lstrip(" "))
    return " " * start + prose(inner) + " " * (len(text) - start - len(inner))
