"""Source lines with what is said about them underneath: carets, labels of one line side by side, spans of many lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from meshplan.compiler.render.cells import Row, row
from meshplan.compiler.render.view import MAX_LINES, PlaceView, last_line, visible

Paint = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Mark:
    """One stretch of one line, in cells from 0, end exclusive."""

    start: int
    end: int
    sign: str
    text: str | None
    colour: str


@dataclass(frozen=True, slots=True)
class Said:
    """A place and how it is drawn: `^` for the finding itself, `-` for what is related."""

    place: PlaceView
    sign: str
    colour: str

    @property
    def tall(self) -> bool:
        """Whether it spans lines."""
        return last_line(self.place.span) > self.place.span.line


@dataclass(slots=True)
class _Canvas:
    """One row of signs and words, each with its colour."""

    runs: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])

    def put(self, cell: int, text: str, colour: str) -> None:
        for offset, char in enumerate(text):
            self.runs[cell + offset] = (char, colour)

    def painted(self, paint: Paint) -> str:
        """The row; cells next to each other in one colour become one run."""
        parts: list[str] = []
        run, colour = "", ""
        for cell in range(max(self.runs, default=-1) + 1):
            char, wanted = self.runs.get(cell, (" ", ""))
            if wanted != colour:
                parts.append(paint(run, colour) if colour else run)
                run, colour = "", wanted
            run += char
        return "".join([*parts, paint(run, colour) if colour else run])


def excerpt(said: Sequence[Said], gutter: int, paint: Paint, blue: str) -> list[str]:
    """The lines of one file that ``said`` is about, each with its number, and what is said under them."""
    block = next((s for s in said if s.tall), None)
    source = _source(said)
    if not source:
        return []
    marks = {number: [s for s in said if s is not block and s.place.span.line == number] for number in source}
    bar = paint("|", blue)
    lines: list[str] = []
    before: int | None = None
    for number in sorted(_wanted(said, block)):
        if number not in source:
            continue
        if before is not None and number > before + 1:
            lines.append(f"{paint('...', blue)}{' ' * max(0, gutter - 1)}{_margin(block, before + 1, paint)}".rstrip())
        head = f"{paint(str(number).rjust(gutter), blue)} {bar} "
        under = f"{' ' * gutter} {bar} "
        laid = row(source[number], _focus(marks[number], block, number))
        lines.append(head + _margin(block, number, paint, source[number]) + laid.text)
        rows = _under([_mark(s, laid) for s in marks[number]], paint)
        lines += [under + _margin(block, number, paint, source[number], under=True) + text for text in rows]
        lines += [under + text for text in _edge(block, number, laid, source[number], paint)]
        before = number
    return lines


def _source(said: Iterable[Said]) -> dict[int, str]:
    found: dict[int, str] = {}
    for place in (s.place for s in said):
        found |= {place.span.line + offset: line for offset, line in enumerate(place.lines)}
        if place.tail is not None:
            found[last_line(place.span)] = place.tail
    return found


def _wanted(said: Iterable[Said], block: Said | None) -> set[int]:
    """The lines with something said about them, and what of a block fits."""
    wanted = {s.place.span.line for s in said}
    if block:
        first, last = block.place.span.line, last_line(block.place.span)
        wanted |= {*range(first, last + 1)} if last - first < MAX_LINES else {first, first + 1, last}
    return wanted


def _focus(here: Sequence[Said], block: Said | None, number: int) -> int:
    if here:
        return min(here, key=lambda s: s.sign != "^").place.span.column
    if block and number == last_line(block.place.span):
        return block.place.span.end_column
    return block.place.span.column if block else 1


def _mark(said: Said, laid: Row) -> Mark:
    """Where to draw a place on its first line."""
    span = said.place.span
    start = laid.cell(span.column)
    end = laid.at[-1] if said.tall else laid.cell(span.end_column)
    text = visible(said.place.text) if said.place.text else None
    return Mark(start, max(end, start + 1), said.sign, text, said.colour)


def _under(marks: list[Mark], paint: Paint) -> list[str]:
    """The underlines, with the words of the rightmost beside it and those of the others hanging below."""
    if not marks:
        return []
    marks = sorted(marks, key=lambda m: (m.start, m.sign == "^"))
    signs = _Canvas()
    for mark in sorted(marks, key=lambda m: m.sign == "^"):
        signs.put(mark.start, mark.sign * (mark.end - mark.start), mark.colour)
    last = marks[-1]
    beside = last.text is not None and all(m.end <= last.start for m in marks[:-1])
    if beside:
        signs.put(last.end, f" {last.text}", last.colour)
    hanging = [m for m in (marks[:-1] if beside else marks) if m.text is not None]
    rows = [signs]
    if hanging:
        rows.append(_hooks(hanging))
    for index in range(len(hanging) - 1, -1, -1):
        canvas = _hooks(hanging[:index])
        canvas.put(hanging[index].start, hanging[index].text or "", hanging[index].colour)
        rows.append(canvas)
    return [canvas.painted(paint) for canvas in rows]


def _hooks(marks: Iterable[Mark]) -> _Canvas:
    canvas = _Canvas()
    for mark in marks:
        canvas.put(mark.start, "|", mark.colour)
    return canvas


def _margin(block: Said | None, number: int, paint: Paint, line: str | None = None, *, under: bool = False) -> str:
    """The two cells left of the source in which a span of many lines is drawn."""
    if block is None:
        return ""
    span = block.place.span
    if number == span.line and line is not None and _at_start(block, line):
        return paint("|" if under else "/", block.colour) + " "
    if span.line < number <= last_line(span):
        return paint("|", block.colour) + " "
    return "  "


def _at_start(block: Said, line: str) -> bool:
    return not line[: block.place.span.column - 1].strip()


def _edge(block: Said | None, number: int, laid: Row, line: str, paint: Paint) -> list[str]:
    """The row that ties the margin to where a span of many lines begins or ends."""
    if block is None:
        return []
    span, canvas = block.place.span, _Canvas()
    if number == span.line and not _at_start(block, line):
        canvas.put(1, "_" * (laid.cell(span.column) + 1) + block.sign, block.colour)
    elif number == last_line(span):
        end = laid.cell(span.end_column) if number == span.end_line else laid.at[-1]
        words = f" {visible(block.place.text)}" if block.place.text else ""
        canvas.put(0, "|" + "_" * max(end, 1) + block.sign + words, block.colour)
    else:
        return []
    return [canvas.painted(paint)]
