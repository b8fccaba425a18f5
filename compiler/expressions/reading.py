"""The place in one text's tokens, and how reading goes on after a mistake: one term is given up, the others are read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

from meshplan.compiler.expressions.functions import FUNCTIONS, LEFT_OUT, MACROS, Function
from meshplan.compiler.expressions.lexer import Rejected, Token, tokens
from meshplan.compiler.expressions.problems import Problem, did_you_mean

MOST: Final = 5
"""Mistakes told of one text."""
_HELP: Final = {"and": "write `&&`", "or": "write `||`", "not": "write `!`", "is": "compare with `==`"}
_SPELT: Final = {"and": "&&", "or": "||"}
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_ALWAYS: Final = frozenset(("&&", "||", "?", "end"))


class Around(NamedTuple):
    """What a term stands in: what closes that, what may stand after the term instead, and both in words."""

    close: str
    after: str
    wanted: str


class Reading:
    """Takes tokens one by one; `told` are the mistakes so far."""

    def __init__(self, text: str) -> None:
        self.told: Final[list[Problem]] = []
        self._text = text
        self._tokens = tokens(text)
        self._at: int = 0
        self._around: tuple[Around, ...] = (Around("", "", "an operator or the end"),)
        self._given_up = -1

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _last_end(self) -> int:
        return self._tokens[self._at - 1].end

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        if token.problem is not None:
            self._tell(token.problem)
        return token

    def _accept(self, kind: str) -> Token | None:
        return self._take() if self._next.kind == kind else None

    def _expect(self, kind: str) -> Token:
        if self._next.kind != kind:
            raise self._unexpected(f"`{kind}`")
        return self._take()

    def _tell(self, problem: Problem) -> None:
        if len(self.told) < MOST and problem not in self.told:
            self.told.append(problem)

    def _unexpected(self, wanted: str) -> Rejected:
        token = self._next
        if token.problem is not None:
            return Rejected.of(token.problem)
        if token.kind == "end":
            return Rejected("syntax", max(token.start - 1, 0), token.end, f"expected {wanted}, but the text ends")
        shown = self._text[token.start : token.end].splitlines()[0].replace("`", "")[:40]
        return Rejected("syntax", token.start, token.end, f"expected {wanted}, found `{shown}`", _HELP.get(shown))

    @contextmanager
    def _inside(self, close: str, after: str, wanted: str) -> Generator[None]:
        """Read what stands in brackets, or in a branch."""
        outside = self._around
        self._around = (*outside, Around(close, after, wanted))
        yield
        self._around = outside

    def _spelt_operator(self) -> str | None:
        """The operator that a word is used for."""
        token = self._next
        return _SPELT.get(token.text) if token.kind == "name" else None

    def _take_spelt(self, kind: str) -> Token:
        self._tell(self._unexpected(self._around[-1].wanted).problem)
        token = self._take()
        return Token(kind, token.start, token.end)

    def _ends_term(self) -> bool:
        kind = self._next.kind
        return kind in _ALWAYS or kind == self._around[-1].after or (kind in _CLOSING and self._is_open(kind))

    def _is_open(self, close: str) -> bool:
        return any(around.close == close for around in self._around)

    def _give_up(self, rejected: Rejected) -> None:
        """Tell a mistake and go on behind the term; what fails where the last term was given up only follows from it."""
        if self._at != self._given_up and not self._follows():
            self._tell(rejected.problem)
        depth = 0
        while self._next.kind != "end":
            kind = self._next.kind
            if depth == 0 and (self._ends_term() or self._spelt_operator()):
                break
            depth += (kind in _OPENING) - (kind in _CLOSING and depth > 0)
            self._at += 1
        self._given_up = self._at

    def _follows(self) -> bool:
        """Whether what is wrong here is the end behind a mistake, or a bracket whose other half a mistake took."""
        kind = self._next.kind
        if kind == "end":
            return self._tokens[self._at - 1].problem is not None
        return kind in _CLOSING and bool(self.told) and not self._is_open(kind)


def unknown_function(name: Token) -> Rejected:
    """A call of what is no function here."""
    if help := LEFT_OUT.get(name.text):
        return Rejected("unsupported-feature", name.start, name.end, f"`{name.text}` is not supported", help)
    known = did_you_mean(name.text, [*FUNCTIONS, *MACROS, "has"])
    return Rejected("unknown-function", name.start, name.end, f"unknown function `{name.text}`", known)


def wrong_arguments(name: Token, function: Function) -> Rejected:
    """A call of a function in a way that it has not."""
    message = f"`{name.text}` is not called like this"
    return Rejected("wrong-arguments", name.start, name.end, message, f"write it as in {function.example}")
