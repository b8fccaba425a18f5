"""URI templates read backwards: does a URI come from a template, and with which values (RFC 6570, in linear steps)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_URI = 8192
"""Longer URIs match nothing."""

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([A-Za-z0-9_.,%]+(?::\d+)?\*?(?:,[A-Za-z0-9_.%]+\*?)*)\}")
_PATH_STOP = frozenset("/?#")
_NAMES_STOP = frozenset("?#")
_QUERY_STOP = frozenset("#")
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """The place of an expression: ``lead`` starts it, ``stop`` ends it, and it may be absent where ``optional``."""

    lead: str
    stop: frozenset[str]
    optional: bool


@dataclass(frozen=True, slots=True)
class Template:
    """Literals and gaps in turn: ``literals`` has one element more than ``gaps``."""

    literals: tuple[str, ...]
    gaps: tuple[Gap, ...]

    def match(self, uri: str) -> tuple[str, ...] | None:
        """What fills each gap, as it stands in the URI; ``None`` when the template cannot make this URI."""
        if len(uri) > MAX_URI or not uri.startswith(self.literals[0]):
            return None
        ends = [frozenset({len(self.literals[0])})]
        starts: list[frozenset[int]] = []
        for gap, literal in zip(self.gaps, self.literals[1:], strict=True):
            filled = _fill(gap, uri, ends[-1])
            starts.append(filled)
            ends.append(frozenset(at + len(literal) for at in filled if uri.startswith(literal, at)))
        if len(uri) not in ends[-1]:
            return None
        return self._values(uri, ends)

    def _values(self, uri: str, ends: list[frozenset[int]]) -> tuple[str, ...]:
        """Walk back from the end; a gap takes as little as it can."""
        values: list[str] = []
        at = len(uri)
        for number in range(len(self.gaps) - 1, -1, -1):
            at -= len(self.literals[number + 1])
            begin = _begin(self.gaps[number], uri, at, ends[number])
            values.append(uri[begin:at])
            at = begin
        return tuple(reversed(values))

    def expand(self, values: tuple[str, ...]) -> str:
        """Put values that ``match`` found into the gaps."""
        pairs = zip(self.literals[1:], values, strict=True)
        return self.literals[0] + "".join(value + literal for literal, value in pairs)


def _fill(gap: Gap, uri: str, begins: frozenset[int]) -> frozenset[int]:
    """All places where the gap may end when it begins at any of ``begins``; one sweep over the URI."""
    found = set(begins) if gap.optional else set[int]()
    inside = False
    for at in range(min(begins, default=len(uri)), len(uri)):
        if gap.lead:
            inside = (inside and uri[at] not in gap.stop) or (at in begins and uri[at] == gap.lead)
        else:
            inside = (inside or at in begins) and uri[at] not in gap.stop
        if inside:
            found.add(at + 1)
    return frozenset(found)


def _begin(gap: Gap, uri: str, end: int, begins: frozenset[int]) -> int:
    """The last place where a gap that ends at ``end`` may begin; ``_fill`` has shown that there is one."""
    if gap.optional and end in begins:
        return end
    begin = end - 1
    while not (begin in begins and (uri[begin] == gap.lead if gap.lead else True)):
        begin -= 1
    return begin


def _gap(operator: str, names: str) -> Gap:
    many = "*" in names
    if operator in ("+", "#"):
        return Gap("#" if operator == "#" else "", _NOTHING, optional=operator == "#")
    if operator in ("/", "."):
        return Gap(operator, _NAMES_STOP if many or "," in names else _PATH_STOP, optional=True)
    if operator in (";", "?", "&"):
        return Gap(operator, _QUERY_STOP, optional=True)
    return Gap("", _NAMES_STOP if many else _PATH_STOP, optional=False)


def compile_template(text: str) -> Template:
    """Read a template; text that is no valid expression stands for itself."""
    literals: list[str] = []
    gaps: list[Gap] = []
    at = 0
    for found in _EXPRESSION.finditer(text):
        literals.append(text[at : found.start()])
        gaps.append(_gap(found[1], found[2]))
        at = found.end()
    return Template((*literals, text[at:]), tuple(gaps))
