"""A diff for people at a terminal: everything there is to say, one sentence a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshplan.compiler.diff.model import Diff
from meshplan.compiler.render.diff.item import Item
from meshplan.compiler.render.diff.phrase import listed, phrase, plain, quoted
from meshplan.compiler.render.diff.sections import Section, closing, sections
from meshplan.compiler.render.diff.summary import in_words

_RED, _YELLOW, _GREEN, _BOLD, _DIM, _END = "\x1b[1;31m", "\x1b[1;33m", "\x1b[32m", "\x1b[1m", "\x1b[2m", "\x1b[0m"
_EFFECTS = {"destructive": _RED, "write": _YELLOW, "read": _GREEN}
_SIGNS = {"+": _GREEN, "-": _RED, "~": _YELLOW}
_GRADES = {"breaking": _RED, "widening": _YELLOW}


def render_text(diffs: Sequence[Diff], colour: bool = False) -> str:
    """One part for each group of environments, a blank line between; `no change` where nothing differs."""
    if all(diff.empty for diff in diffs):
        stale = [plain(said) for diff in diffs for said in closing(diff)]
        return "".join(line + "\n" for line in ["no change", *dict.fromkeys(stale)])
    return "\n".join("".join(line.rstrip() + "\n" for line in _diff(diff, colour)) for diff in diffs)


def _diff(diff: Diff, colour: bool) -> Iterator[str]:
    yield _paint(plain(phrase(quoted(diff.before.label), " → ", quoted(diff.after.label))), _BOLD, colour)
    if diff.environments:
        names = [phrase(quoted(name)) for name in diff.environments]
        yield plain(phrase(f"environment{'s' if names[1:] else ''} ", listed(names)))
    if diff.empty:
        yield "no change"
    else:
        yield in_words([diff])
        for section in sections(diff):
            yield ""
            yield from _section(section, colour)
    for said in closing(diff):
        yield ""
        yield plain(said)


def _section(section: Section, colour: bool) -> Iterator[str]:
    yield _paint(section.title, _GRADES.get(section.key, _BOLD), colour)
    if section.note:
        yield f"    {plain(section.note)}"
    for item in section.entries:
        yield from _item(item, colour)


def _item(item: Item, colour: bool) -> Iterator[str]:
    sign = _paint(item.sign, _EFFECTS[item.effect] if item.effect else _SIGNS[item.sign], colour)
    grades = f" [{', '.join(item.grades)}]" if item.grades else ""
    yield f"  {sign} {plain(item.headline)}{_paint(grades, _BOLD, colour)}"
    yield from (f"    {plain(line)}" for line in item.also)
    for index, cause in enumerate(item.causes):
        yield _paint(f"      {'or ' if index else ''}because {plain(cause)}", _DIM, colour)
    yield from (f"      {plain(line)}" for line in (*item.members, *item.details))
    for standing in item.standings:
        yield _paint(f"      {plain(standing.text)}", _DIM, colour)


def _paint(text: str, colour: str, wanted: bool) -> str:
    return f"{colour}{text}{_END}" if wanted and text else text
