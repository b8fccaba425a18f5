"""Comments that suppress warnings: `# mesh: ignore[MESH405] reason="…" until=2027-01-31`; errors are never suppressed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import yaml
from yaml.tokens import ScalarToken

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Fix, Span, has_errors, ordered
from meshplan.compiler.newlines import normalised
from meshplan.compiler.rules import BY_CODE, BY_SLUG, report
from meshplan.compiler.rules.suppression import OWN
from meshplan.compiler.suggest import did_you_mean

FORM = '`# mesh: ignore[MESH405] reason="why" until=2027-01-31`'

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKER = re.compile(r"#[ \t]*mesh:[ \t]*ignore\b[^\n]*")
_CODES = re.compile(r"#[ \t]*mesh:[ \t]*ignore[ \t]*\[([^\]\n]*)\]")
_WORD = re.compile(r"[^\s,]+")
_ATTRIBUTE = re.compile(r'[ \t]+(?:(reason)=("[^"\n]*")|(until)=(\S+))(?=\s|$)|[ \t]+(\S+)')
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Word(NamedTuple):
    """A piece of the comment."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Suppression:
    """A sound suppression: it holds for warnings that begin on ``line`` of its file, before the day ``until``."""

    span: Span
    codes: tuple[Word, ...]
    line: int
    reason: str
    until: date
    end: Span
    removal: Span


@dataclass(frozen=True, slots=True)
class Settled:
    """What is left to say, and what was suppressed, each with the reason given."""

    diagnostics: Diagnostics
    suppressed: tuple[tuple[Diagnostic, str], ...] = ()


def settle(found: Diagnostics, texts: Mapping[str, str], today: date, *, whole: bool = True) -> Settled:
    """Take away the warnings that are suppressed in ``texts`` and report what is wrong with the suppressions.

    ``whole``: what is found is all that can be found in these files; another environment may use what this one does not.
    """
    own: list[Diagnostic] = []
    active: dict[tuple[str, int, str], Suppression] = {}
    for file, text in sorted(texts.items()):
        for suppression in _suppressions(file, normalised(text), own):
            if suppression.until <= today:
                own.append(_expired(suppression))
            else:
                active |= {(file, suppression.line, word.text): suppression for word in suppression.codes}
    if not active and not own:
        return Settled(found)
    hidden = {d: active[_key(d)] for d in found if d.severity != "error" and _key(d) in active}
    if whole and not has_errors(found):
        own += _unused(active, {_key(d) for d in hidden})
    left = [d for d in found if d not in hidden]
    return Settled(ordered([*left, *own]), tuple((d, s.reason) for d, s in hidden.items()))


def _key(d: Diagnostic) -> tuple[str, int, str]:
    return d.span.file, d.span.line, d.code


def _expired(suppression: Suppression) -> Diagnostic:
    return report(
        "expired-suppression",
        suppression.end,
        f"this suppression ended on {suppression.until}",
        help="resolve what it hides and remove it, or renew it",
    )


def _unused(active: Mapping[tuple[str, int, str], Suppression], used: set[tuple[str, int, str]]) -> list[Diagnostic]:
    """One finding a comment where nothing of it is used, else one a code; silent about a file with errors."""
    by_comment: dict[Suppression, list[Word]] = {}
    for (file, line, code), suppression in active.items():
        idle = by_comment.setdefault(suppression, [])
        if (file, line, code) not in used:
            idle += [word for word in suppression.codes if word.text == code]
    found: list[Diagnostic] = []
    for suppression, idle in by_comment.items():
        whole = len(idle) == len(suppression.codes)
        found += [
            report(
                "unused-suppression",
                word.span,
                f"there is no `{word.text}` on line {suppression.line} to suppress",
                help="remove the comment" if whole else f"remove `{word.text}` from the comment",
                fix=Fix(suppression.removal, "") if whole else None,
            )
            for word in idle
        ]
    return found


def _suppressions(file: str, text: str, found: list[Diagnostic]) -> Iterator[Suppression]:
    """The sound suppressions of one file; adds what is wrong with the others to ``found``."""
    comments = list(_comments(text))
    if not comments:
        return
    lines = _Lines(file, text)
    alone = {lines.number(match.start()) for match in comments if not lines.before(match.start()).strip()}
    for match in comments:
        number = lines.number(match.start())
        target = number
        while target in alone:
            target += 1
        suppression = _read(match, lines, target, found)
        if suppression:
            yield suppression


def _comments(text: str) -> Iterator[re.Match[str]]:
    """The comments that begin as a suppression does: not inside a scalar, and not inside another comment."""
    candidates = list(_MARKER.finditer(text))
    scalars = _scalars(text, candidates[-1].start()) if candidates else []
    starts = [start for start, _ in scalars]
    for match in candidates:
        at = match.start()
        index = bisect_right(starts, at) - 1
        if index >= 0 and at < scalars[index][1]:
            continue
        begin = max(text.rfind("\n", 0, at) + 1, scalars[index][1] if index >= 0 else 0)
        if not re.search(r"(?:^|\s)#", text[begin:at]) and (at == begin or text[at - 1] in " \t\n"):
            yield match


def _scalars(text: str, until: int) -> list[tuple[int, int]]:
    """Where scalars stand up to ``until``, from libyaml's tokens; the line that opens a block scalar is not part of it."""
    found: list[tuple[int, int]] = []
    try:
        loader: Any = _LOADER(text)
    except (yaml.YAMLError, UnicodeError):
        return [(0, len(text))]
    try:
        while (token := loader.get_token()) is not None and token.start_mark.index <= until:
            if isinstance(token, ScalarToken):
                start: int = token.start_mark.index
                if token.style in {"|", ">"}:
                    start = text.find("\n", start) + 1 or len(text)
                found.append((start, token.end_mark.index))
    except yaml.YAMLError:
        found.append((found[-1][1] if found else 0, len(text)))
    finally:
        loader.dispose()
    return found


class _Lines:
    """Places in one file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def number(self, index: int) -> int:
        return bisect_right(self._starts, index)

    def before(self, index: int) -> str:
        return self.text[self._starts[self.number(index) - 1] : index]

    def span(self, start: int, end: int) -> Span:
        column = len(self.before(start)) + 1
        return Span(self.file, self.number(start), column, self.number(end), len(self.before(end)) + 1, start, end)

    def removal(self, start: int, end: int) -> Span:
        """A comment with the blanks before it, or its whole line where nothing else is on it."""
        blank = len(self.before(start)) - len(self.before(start).rstrip())
        whole = blank == len(self.before(start)) and end < len(self.text)
        return self.span(start - blank, end + 1 if whole else end)


def _read(match: re.Match[str], lines: _Lines, target: int, found: list[Diagnostic]) -> Suppression | None:
    """One comment; ``None`` and at least one finding where anything about it is wrong."""
    start, end = match.start(), match.start() + len(match.group().rstrip())
    span = lines.span(start, end)
    head = _CODES.match(match.group())
    if head is None or not head.group(1).strip():
        found.append(_bad(span, "this suppression names no code", f"write {FORM}"))
        return None
    offset = start + head.start(1)
    words = [
        Word(word.group(), lines.span(offset + word.start(), offset + word.end()))
        for word in _WORD.finditer(head.group(1))
    ]
    rest = _attributes(match.group()[head.end() :].rstrip(), start + head.end(), lines)
    wrong = [problem for word in words if (problem := _wrong_code(word))]
    problems, reason, until = _checked(rest, span)
    if wrong or problems or until is None:
        found += [*wrong, *problems]
        return None
    end_span = next(word.span for name, word in rest if name == "until")
    return Suppression(span, tuple(words), target, reason, until, end_span, lines.removal(start, end))


def _attributes(text: str, offset: int, lines: _Lines) -> list[tuple[str, Word]]:
    """`reason` and `until` with their values, and under no name whatever else stands there."""
    found: list[tuple[str, Word]] = []
    if text and text[0] not in " \t":
        text, offset = f" {text}", offset - 1
    for match in _ATTRIBUTE.finditer(text):
        group = 2 if match.group(1) else 4 if match.group(3) else 5
        span = lines.span(offset + match.start(group), offset + match.end(group))
        value: str = match.group(group)
        found.append((match.group(1) or match.group(3) or "", Word(value if group == 5 else value.strip('"'), span)))
    return found


def _checked(rest: list[tuple[str, Word]], span: Span) -> tuple[list[Diagnostic], str, date | None]:
    values: dict[str, Word] = {}
    problems: list[Diagnostic] = []
    for name, word in rest:
        if not name and not problems:
            problems.append(_bad(word.span, f"`{word.text}` does not belong in a suppression", f"write {FORM}"))
        elif name and name in values:
            problems.append(_bad(word.span, f"`{name}` is given twice", "keep one of the two"))
        elif name:
            values[name] = word
    reason = values["reason"].text.strip() if "reason" in values else ""
    until = _day(values["until"]) if "until" in values else None
    if until is None and "until" in values:
        given = values["until"]
        problems.append(_bad(given.span, f"`{given.text}` is not a date", "write it as `2027-01-31`"))
    missing = [*([] if reason else ["reason"]), *([] if "until" in values else ["end"])]
    if missing and not problems:
        problems.append(_bad(span, f"this suppression gives no {' and no '.join(missing)}", f"write {FORM}"))
    return problems, reason, until


def _day(word: Word) -> date | None:
    try:
        return date(*(int(part) for part in word.text.split("-"))) if _DAY.fullmatch(word.text) else None
    except ValueError:
        return None


def _wrong_code(word: Word) -> Diagnostic | None:
    rule = BY_CODE.get(word.text)
    if rule is None and word.text in BY_SLUG:
        return _bad(word.span, f"`{word.text}` is not a code", f"write `{BY_SLUG[word.text].code}`")
    if rule is None:
        return _bad(word.span, f"there is no diagnostic `{word.text}`", did_you_mean(word.text, BY_CODE))
    if rule.code in OWN:
        return _bad(word.span, f"`{word.text}` is about suppressions and cannot be suppressed", "remove it")
    if rule.level == "error":
        return _bad(word.span, f"`{word.text}` is an error, and errors cannot be suppressed", "remove it")
    return None


def _bad(span: Span, message: str, advice: str | None) -> Diagnostic:
    return report("bad-suppression", span, message, help=advice)
