"""Inside an expression: what may be written at the cursor, and what the name there is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from meshplan.compiler.expressions.functions import FUNCTIONS, MACROS
from meshplan.compiler.expressions.lexer import Token, tokens
from meshplan.compiler.expressions.types import Dyn, ListType, MapType, Scalar, options, show
from meshplan.compiler.language_server.analysis import Analysis
from meshplan.compiler.language_server.cursor import Written, merged, written_at
from meshplan.compiler.language_server.prose import block, code
from meshplan.compiler.language_server.scope import Held, scope_at
from meshplan.compiler.marks import MapNode

_MOST_TOKENS: Final = 600
_REST: Final = re.compile(r"[A-Za-z0-9_]*")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLAIN: Final = re.compile(r"[^'\"\\\n]*\Z")
_OPENING: Final = {")": "(", "]": "["}
_EXAMPLES: Final = {
    "all": "args.items.all(x, x != '')",
    "exists": "args.items.exists(x, x == 'a')",
    "exists_one": "args.items.exists_one(x, x == 'a')",
    "filter": "args.items.filter(x, x != '')",
    "map": "args.items.map(x, x.name)",
    "has": "has(args.title)",
}
_VARIABLES: Final = {
    "args": "the arguments, exactly as they will be sent upstream",
    "principal": "the caller, as its credential proves it",
    "input": "what the workflow was called with",
    "steps": "the results of the steps before this one",
    "result": "what the tool gave back",
}


Kind: TypeAlias = Literal["key", "name", "word", "field", "function", "variable"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal: `text` replaces `start` to `end` of the file."""

    label: str
    kind: Kind
    detail: str
    about: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """The tokens before the cursor, the variables there, and the name that is being written."""

    scope: Mapping[str, Held]
    before: Sequence[Token]
    word: str
    text: str
    written: Written


def place_at(text: str, offset: int, own: MapNode | None, known: Analysis) -> Place | None:
    """Where in an expression ``offset`` of ``text`` is; ``None`` where it is in none."""
    written = written_at(text, offset)
    if written is None:
        return None
    scope = scope_at(written.path, merged(written.partial, own if written.exact else None), known)
    if scope is None:
        return None
    found = tokens(written.before)[:-1][-_MOST_TOKENS:]
    last = found[-1] if found else None
    if last is None or last.end < len(written.before):
        return Place(scope, found, "", written.before, written)
    if last.kind in ("name", "in"):
        return Place(scope, found[:-1], last.text, written.before, written)
    return Place(scope, found, "", written.before, written)


def propose(text: str, offset: int, place: Place) -> list[Proposal]:
    """What may stand at the cursor."""
    if (opened := _open_string(place)) is not None:
        held, typed = _compared(place, place.before[:-1]), place.text[opened.start + 1 :]
        return [
            Proposal(value, "word", "", "", value, offset - len(typed), offset)
            for value in (held.values if held is not None and _PLAIN.match(typed) else ())
            if _PLAIN.match(value)
        ]
    rest = _REST.match(text, offset)
    start, end = offset - len(place.word), offset if rest is None else rest.end()
    last = place.before[-1] if place.before else None
    if last is not None and last.kind == ".":
        receiver = _value(place, len(place.before) - 2)
        return [] if receiver is None else list(_members(receiver, place, start, end))
    if last is not None and last.kind in ("constant", "name", "field", ")", "]", "}", "unknown"):
        return []
    return list(_beginnings(place, start, end))


def explain(place: Place) -> str | None:
    """Markdown about the name that ends at the cursor."""
    at = len(place.before)
    held = _value(place, at, place.word) if place.word else None
    if held is not None:
        return _about(_chain(place), held)
    if place.word in FUNCTIONS or place.word in _EXAMPLES:
        return f"function {code(place.word)}\n\n```\n{_example(place.word)}\n```"
    return None


def _members(receiver: Held, place: Place, start: int, end: int) -> Iterator[Proposal]:
    quoting = place.written.quote == '"' or (not place.written.quote and not place.written.flow)
    for name, held in receiver.members().items():
        detail, about = _detail(held, len(receiver.schemas)), _said(held)
        if _IDENTIFIER.match(name):
            yield Proposal(name, "field", detail, about, name, start, end)
        elif quoting and _PLAIN.match(name):
            yield Proposal(name, "field", detail, about, f"['{name}']", start - 1, end)
    for name in _methods(receiver):
        yield Proposal(name, "function", "function", f"```\n{_example(name)}\n```", f"{name}(", start, end)


def _methods(receiver: Held) -> list[str]:
    kinds = options(receiver.type)
    anything = any(isinstance(kind, Dyn) for kind in kinds)
    found: list[str] = []
    if anything or any(isinstance(kind, Scalar) and kind.name == "string" for kind in kinds):
        found += [name for name, function in FUNCTIONS.items() if function.member]
    if anything or any(isinstance(kind, ListType) for kind in kinds):
        found += ["size", *MACROS]
    elif any(isinstance(kind, MapType) for kind in kinds):
        found += ["size"]
    return list(dict.fromkeys(found))


def _beginnings(place: Place, start: int, end: int) -> Iterator[Proposal]:
    compared = _compared(place, place.before)
    quote = '"' if place.written.quote == "'" else "'"
    for value in compared.values if compared is not None else ():
        if _PLAIN.match(value):
            yield Proposal(f"{quote}{value}{quote}", "word", "", "", f"{quote}{value}{quote}", start, end)
    for name, held in {**_bound(place), **place.scope}.items():
        about = "\n\n".join(part for part in (_VARIABLES.get(name, ""), _said(held)) if part)
        yield Proposal(name, "variable", show(held.type), about, name, start, end)
    for name in ("has", *(name for name, function in FUNCTIONS.items() if function.free)):
        yield Proposal(name, "function", "function", f"```\n{_example(name)}\n```", f"{name}(", start, end)
    for word in ("true", "false", "null"):
        yield Proposal(word, "word", "", "", word, start, end)


def _example(name: str) -> str:
    return _EXAMPLES.get(name) or FUNCTIONS[name].example


def _detail(held: Held, among: int) -> str:
    notes = [show(held.type)]
    if held.among < among:
        notes.append(f"only {held.among} of the {among} that are meant here have it")
    elif not held.required:
        notes.append("may be absent")
    return ", ".join(notes)


def _said(held: Held) -> str:
    listed = ", ".join(map(code, held.values[:20]))
    parts = [block(held.description) if held.description else "", f"One of {listed}." if listed else ""]
    return "\n\n".join(part for part in parts if part)


def _about(chain: str, held: Held) -> str:
    head = f"{code(chain)}: {show(held.type)}" + ("" if held.required else ", may be absent")
    words = _VARIABLES.get(chain, "")
    return "\n\n".join(part for part in (head, words, _said(held)) if part)


def _open_string(place: Place) -> Token | None:
    last = place.before[-1] if place.before else None
    closed = last is None or last.problem is None or last.problem.message != "the string is not closed"
    return None if closed else last


def _compared(place: Place, before: Sequence[Token]) -> Held | None:
    """What the text that comes next is compared with."""
    at = len(before) - 1
    while at > 0 and before[at].kind in (",", "constant"):
        at -= 1
    if at > 1 and before[at].kind == "[" and before[at - 1].kind == "in":
        return _value(place, at - 2)
    if before and before[-1].kind in ("==", "!="):
        return _value(place, len(before) - 2)
    return None


def _chain(place: Place) -> str:
    start = len(place.before)
    while start > 1 and place.before[start - 1].kind == "." and place.before[start - 2].kind in ("name", "field"):
        start -= 2
    first = place.before[start].start if start < len(place.before) else len(place.text) - len(place.word)
    return place.text[first:]


def _bound(place: Place) -> dict[str, Held]:
    """The variables of the macros that the cursor is inside of."""
    opened: list[int] = []
    for at, token in enumerate(place.before):
        if token.kind in ("(", "[", "{"):
            opened.append(at)
        elif token.kind in (")", "]", "}") and opened:
            opened.pop()
    found: dict[str, Held] = {}
    for at in opened:
        around = place.before[max(at - 2, 0) : at + 3]
        kinds = [token.kind for token in around]
        if kinds == [".", "name", "(", "name", ","] and around[1].text in MACROS:
            of = _value(place, at - 3, bound=found)
            found[around[3].text] = Held(()) if of is None else of.element()
    return found


def _value(place: Place, at: int, word: str = "", bound: Mapping[str, Held] | None = None) -> Held | None:
    """What the value is whose last token is at ``at``, or whose last name is ``word`` there."""
    before = place.before
    token = before[at] if 0 <= at < len(before) else None
    if word or (token is not None and token.kind in ("name", "field")):
        name = word or (token.text if token is not None else "")
        if at > 0 and before[at - 1].kind == ".":
            owner = _value(place, at - 2, bound=bound)
            return None if owner is None else owner.members().get(name)
        return ({**_bound(place), **place.scope} if bound is None else {**bound, **place.scope}).get(name)
    if token is None or token.kind not in _OPENING:
        return None
    start = _matching(before, at)
    if token.kind == ")":
        return _called(place, start - 1, bound)
    owner = _value(place, start - 1, bound=bound)
    key = before[start + 1]
    if owner is None or at - start != 2 or not isinstance(key.value, str):
        return None if owner is None else owner.element()
    return owner.members().get(key.value)


def _called(place: Place, at: int, bound: Mapping[str, Held] | None) -> Held | None:
    name = place.before[at] if at >= 0 else None
    if name is None or name.kind != "name":
        return None
    if name.text == "filter" and at > 1:
        return _value(place, at - 2, bound=bound)
    gives = {"size": "integer", "int": "integer", "double": "number", "string": "string"}
    gives |= {"lowerAscii": "string", "upperAscii": "string"}
    schema: Any = {"type": gives[name.text]} if name.text in gives else None
    return None if schema is None else Held(((schema, schema),))


def _matching(before: Sequence[Token], at: int) -> int:
    depth = 0
    while at >= 0:
        depth += (before[at].kind in _OPENING) - (before[at].kind in _OPENING.values())
        if depth == 0:
            return at
        at -= 1
    return 0
