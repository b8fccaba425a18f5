"""Text to tokens: CEL's lexical rules, and a named refusal for the literals that the subset leaves out."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from meshplan.compiler.expressions.problems import Problem

Constant = str | int | float | bool | None

KEYWORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_INT_LIMIT: Final = 2**63

_SPACE: Final = re.compile(r"(?:[ \t\r\n\f]+|//[^\n]*)+")
_NUMBER: Final = re.compile(
    r"0[xX](?P<hex>[0-9a-fA-F]+)|(?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+"
    r"|\.[0-9]+(?:[eE][+-]?[0-9]+)?)|(?P<int>[0-9]+)",
)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED_FIELD: Final = re.compile(r"`([A-Za-z0-9_.\-/ ]+)`")
_TEXT_START: Final = re.compile(r"([rR]?)('''|\"\"\"|'|\")")
_BYTES_START: Final = re.compile(r"(?:[bB][rR]?|[rR][bB])['\"]")
_SYMBOL: Final = re.compile(r"&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}]")
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\'\"`?])|[xX](?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<o>[0-3][0-7]{2}))",
)
_MEANT: Final = {"=": "==", "&": "&&", "|": "||"}
_CURLY: Final = {"\u2018": "\u2019", "\u201c": "\u201d"}
_NUMBER_LIKE: Final = re.compile(r"[0-9.]+(?:[A-Za-z0-9_.]|(?<=[eE])[+-])*")
_PLAIN: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Token:
    """A lexeme; `kind` is `name`, `field` (quoted), `constant`, `end`, or the symbol itself.

    With a `problem` it is what the text was taken for; `unknown` is what cannot be taken for anything.
    """

    kind: str
    start: int
    end: int
    value: Constant = None
    problem: Problem | None = None

    @property
    def text(self) -> str:
        """The name that a `name` or `field` token holds."""
        return self.value if isinstance(self.value, str) else ""


class Rejected(Exception):
    """A problem that keeps a part of a text from being read."""

    def __init__(self, slug: str, start: int, end: int, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.problem: Final = Problem(slug, start, end, message, help)

    @classmethod
    def of(cls, problem: Problem) -> Rejected:
        """What raises a problem that is known already."""
        return cls(problem.code_slug, problem.start, problem.end, problem.message, problem.help)


def tokens(text: str) -> list[Token]:
    """Split a text, ending with one `end` token; what is no token is one with a problem, so that the rest can be read.

    An integer token may hold 2**63, which only a minus sign before it makes valid.
    """
    found: list[Token] = []
    at = 0
    while True:
        if space := _SPACE.match(text, at):
            at = space.end()
        if at == len(text):
            found.append(Token("end", at, at))
            return found
        try:
            token = _token(text, at)
        except Rejected as rejected:
            token = _mistaken(text, at, rejected.problem)
        found.append(token)
        at = token.end


def _mistaken(text: str, at: int, problem: Problem) -> Token:
    """What stands at a place where no token can be read, as far as it belongs together."""
    if text[at] in _MEANT:
        return Token(_MEANT[text[at]], at, at + 1, problem=problem)
    if text[at] in _CURLY and (close := text.find(_CURLY[text[at]], at + 1)) > 0:
        return Token("constant", at, close + 1, problem=problem)
    if word := _NUMBER_LIKE.match(text, at):
        return Token("constant", at, word.end(), problem=problem)
    if bytes_start := _BYTES_START.match(text, at):
        quote = bytes_start.end() - 1
        return Token("constant", at, _text(text, quote, quote + 1, text[quote], raw=False).end, problem=problem)
    return Token("unknown", at, max(problem.end, at + 1), problem=problem)


def _token(text: str, at: int) -> Token:
    if start := _TEXT_START.match(text, at):
        return _text(text, at, start.end(), start[2], raw=bool(start[1]))
    if _BYTES_START.match(text, at):
        raise Rejected("unsupported-feature", at, at + 1, "bytes are not supported", "write a string")
    if number := _NUMBER.match(text, at):
        return _number(text, number)
    if word := _WORD.match(text, at):
        name = word[0]
        if name in KEYWORDS:
            return Token("constant", at, word.end(), KEYWORDS[name])
        return Token("in" if name == "in" else "name", at, word.end(), name)
    if quoted := _QUOTED_FIELD.match(text, at):
        return Token("field", at, quoted.end(), quoted[1])
    if symbol := _SYMBOL.match(text, at):
        return Token(symbol[0], at, symbol.end())
    raise Rejected("syntax", at, at + 1, f"unexpected character {_shown(text[at])}", _character_help(text[at]))


def _character_help(char: str) -> str | None:
    if unicodedata.category(char) in ("Pi", "Pf"):
        return "text goes in straight quotes: 'text'"
    return {"=": "compare with `==`", "&": "write `&&`", "|": "write `||`"}.get(char)


def _shown(char: str) -> str:
    return f"`{char}`" if char.isprintable() and char != "`" else f"U+{ord(char):04X}"


def _number(text: str, number: re.Match[str]) -> Token:
    start, end = number.span()
    after = text[end : end + 1]
    if after in ("u", "U"):
        help = "leave out the `u`"
        raise Rejected("unsupported-feature", start, end + 1, "unsigned integers are not supported", help)
    if after.isalnum() or after == "_" or (after == "." and not text[end + 1 : end + 2].isalpha()):
        raise Rejected("syntax", start, end + 1, f"`{text[start : end + 1]}` is not a number")
    if double := number["double"]:
        value = float(double)
        if math.isinf(value):
            raise Rejected("bad-literal", start, end, "the number is too large for a double")
        return Token("constant", start, end, value)
    integer = _integer(number)
    if integer is None:
        raise Rejected("bad-literal", start, end, "the integer does not fit 64 bits")
    return Token("constant", start, end, integer)


def _integer(number: re.Match[str]) -> int | None:
    digits, base = (number["hex"], 16) if number["hex"] else (number["int"], 10)
    digits = digits.lstrip("0") or "0"
    value = int(digits, base) if len(digits) <= 19 else _INT_LIMIT + 1
    return value if value <= _INT_LIMIT else None


def _text(text: str, start: int, at: int, quote: str, *, raw: bool) -> Token:
    parts: list[str] = []
    problem: Problem | None = None
    while not text.startswith(quote, at):
        char = text[at : at + 1]
        if not char or (char in "\r\n" and len(quote) == 1):
            open_string = Problem("syntax", start, at, "the string is not closed", f"close it with `{quote}`")
            return Token("constant", start, len(text), problem=open_string)
        try:
            decoded, at = _char(text, at, raw=raw)
            parts.append(decoded)
        except Rejected as rejected:
            problem = problem or rejected.problem
            at = rejected.problem.end
    return Token("constant", start, at + len(quote), "".join(parts), problem)


def _char(text: str, at: int, *, raw: bool) -> tuple[str, int]:
    char = text[at]
    if char == "\\" and not raw:
        return _escape(text, at)
    if "\ud800" <= char <= "\udfff":
        raise Rejected("bad-literal", at, at + 1, "the string holds half a character")
    return char, at + 1


def _escape(text: str, at: int) -> tuple[str, int]:
    escape = _ESCAPE.match(text, at)
    if escape is None:
        shown = text[at : at + 2]
        help = "double the backslash, or write a raw string: r'…'"
        raise Rejected("bad-literal", at, at + len(shown), "unknown escape in a string", help)
    if plain := escape["plain"]:
        return _PLAIN.get(plain, plain), escape.end()
    hexadecimal = escape["x"] or escape["u"] or escape["U"]
    code = int(hexadecimal, 16) if hexadecimal else int(escape["o"], 8)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Rejected("bad-literal", at, escape.end(), "the escape is not a Unicode character")
    return chr(code), escape.end()
