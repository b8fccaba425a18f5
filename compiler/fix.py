"""`--fix`: the certain fixes of diagnostics as edits of the files' text, kept only where they resolve what they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Fix, Span, has_errors
from meshplan.compiler.newlines import ending, normalised, origin
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.reader import Reader

ROUNDS = 5
"""One fix can bring another to light: an entry under a misspelt key is read once the key is right."""
_UNREADABLE = "MESH0"
_REFERENCE = "${"

Compiler = Callable[[Reader], Compiled]
"""Compiles what a reader reads, always for the same day, environment and parameters."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What became of a mesh: ``texts`` are the changed files, as they are to be written.

    ``left`` are diagnostics whose fix is not applied, as it would only put another error in the same place.
    """

    compiled: Compiled
    texts: Mapping[str, str]
    done: Diagnostics
    left: Diagnostics


class _Edit(NamedTuple):
    about: Diagnostic
    fix: Fix


@dataclass(frozen=True, slots=True)
class _Edited:
    """A reader with some files changed in memory."""

    under: Reader
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    def read(self, path: str) -> str | None:
        """See ``Reader``."""
        return self.texts[path] if path in self.texts else self.under.read(path)

    def names(self, pattern: str) -> list[str]:
        """See ``Reader``."""
        return self.under.names(pattern)


class _Attempt(NamedTuple):
    texts: Mapping[str, str]
    compiled: Compiled
    offenders: list[_Edit]
    spoilt: bool


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where fixes are tried."""

    reader: Reader
    compiler: Compiler

    def compile(self, texts: Mapping[str, str]) -> Compiled:
        return self.compiler(_Edited(self.reader, texts))

    def attempt(self, before: Compiled, texts: Mapping[str, str], edits: list[_Edit]) -> _Attempt:
        """Apply ``edits``, compile, and say which of them did no good."""
        changed = dict(texts)
        for file in {edit.fix.span.file for edit in edits}:
            fixes = [edit.fix for edit in edits if edit.fix.span.file == file]
            changed[file] = applied(before.texts[file], fixes)
        after = self.compile(changed)
        places = _places_after(edits)
        offenders = [edit for edit, place in zip(edits, places, strict=True) if _worse(edit, place, before, after)]
        return _Attempt(changed, after, offenders, not offenders and _spoilt(before, after))

    def settled(self, before: Compiled, texts: Mapping[str, str], edits: list[_Edit]) -> tuple[_Attempt, list[_Edit]]:
        """The attempt with as many of the edits as do good, and those edits."""
        while True:
            attempt = self.attempt(before, texts, edits)
            bad = attempt.offenders
            if attempt.spoilt:
                alone = ((edit, self.attempt(before, texts, [edit])) for edit in edits)
                bad = [edit for edit, tried in alone if tried.offenders or tried.spoilt] or edits
            if not bad:
                return attempt, edits
            edits = [edit for edit in edits if edit not in bad]


def fix_mesh(reader: Reader, compiler: Compiler) -> Fixed:
    """Apply every certain fix, again until nothing is left to fix, at most ``ROUNDS`` times; writes nothing."""
    bench = _Bench(reader, compiler)
    texts: Mapping[str, str] = {}
    compiled = bench.compile(texts)
    done: list[Diagnostic] = []
    refused: dict[tuple[str, str, int, str], Diagnostic] = {}
    for _ in range(ROUNDS):
        edits = [edit for edit in certain(compiled.diagnostics, compiled.texts) if _key(edit.about) not in refused]
        if not edits:
            break
        attempt, kept = bench.settled(compiled, texts, edits)
        refused |= {_key(edit.about): edit.about for edit in edits if edit not in kept}
        if kept:
            texts, compiled = attempt.texts, attempt.compiled
            done += [edit.about for edit in kept]
    left = [d for d in compiled.diagnostics if d.fix and _key(d) in refused]
    return Fixed(compiled, texts, tuple(done), tuple(left))


def certain(found: Iterable[Diagnostic], texts: Mapping[str, str]) -> list[_Edit]:
    """The fixes that do not overlap, in order of place; of two that do, the first. None writes over a parameter."""
    edits = [_Edit(d, d.fix) for d in found if d.fix and _REFERENCE not in _replaced(d.fix, texts)]
    edits.sort(key=lambda edit: (edit.fix.span.file, edit.fix.span.start, edit.fix.span.end, edit.fix.text))
    kept: list[_Edit] = []
    for edit in edits:
        last = kept[-1].fix.span if kept else None
        if last is None or last.file != edit.fix.span.file or last.end <= edit.fix.span.start != last.start:
            kept.append(edit)
    return kept


def _replaced(fix: Fix, texts: Mapping[str, str]) -> str:
    return normalised(texts[fix.span.file])[fix.span.start : fix.span.end]


def applied(text: str, fixes: Iterable[Fix]) -> str:
    """``text`` with fixes of one file that do not overlap; all else stays as it is, byte order mark and line ends too."""
    back, newline = origin(text), ending(text)
    for fix in sorted(fixes, key=lambda fix: fix.span.start, reverse=True):
        start, end = back(fix.span.start), back(fix.span.end)
        text = text[:start] + fix.text.replace("\n", newline) + text[end:]
    return text


def _key(d: Diagnostic) -> tuple[str, str, int, str]:
    return d.span.file, d.code, d.span.line, d.message


def _places_after(edits: list[_Edit]) -> list[tuple[int, int]]:
    """Where each edit's text stands once all of them are made; ``edits`` are in order of place."""
    places: list[tuple[int, int]] = []
    shift, file = 0, ""
    for edit in edits:
        span, length = edit.fix.span, len(normalised(edit.fix.text))
        shift = shift if span.file == file else 0
        file = span.file
        places.append((span.start + shift, span.start + shift + length))
        shift += length - (span.end - span.start)
    return places


def _worse(edit: _Edit, place: tuple[int, int], before: Compiled, after: Compiled) -> bool:
    """Whether what is said of the edited place is still said, or something else that was not said before."""
    span = edit.fix.span
    known = {
        (d.code, d.message)
        for d in before.diagnostics
        if d != edit.about and _touches(d.span, span.file, span.start, span.end)
    }
    return any(
        d.severity == "error" and (d.code, d.message) not in known
        for d in after.diagnostics
        if _touches(d.span, span.file, *place)
    )


def _touches(span: Span, file: str, start: int, end: int) -> bool:
    return span.file == file and span.start < max(end, start + 1) and start < max(span.end, span.start + 1)


def _spoilt(before: Compiled, after: Compiled) -> bool:
    """Whether a file cannot be read any more, or a mesh that was sound is not."""
    known = {(d.code, d.span.file) for d in before.diagnostics}
    new = [d for d in after.diagnostics if d.severity == "error" and (d.code, d.span.file) not in known]
    return any(d.code.startswith(_UNREADABLE) for d in new) or (bool(new) and not has_errors(before.diagnostics))
