"""Tokens to a tree: CEL's grammar by precedence climbing, with bounds on length and nesting; no names are looked up."""

from __future__ import annotations

from typing import Final

from meshplan.compiler.expressions.functions import FUNCTIONS, INFIX, MACROS, RESERVED
from meshplan.compiler.expressions.lexer import Rejected, Token
from meshplan.compiler.expressions.problems import Problem
from meshplan.compiler.expressions.reading import Reading, unknown_function, wrong_arguments
from meshplan.compiler.expressions.syntax import (
    Expr,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Operation,
    Select,
)

MAX_LENGTH: Final = 4_096
MAX_NESTING: Final = 24
"""Brackets, branches and bodies inside one another."""
MAX_DEPTH: Final = 56
"""Nodes below one another, so that every tree fits the bounds of the IR."""
_INT_LIMIT: Final = 2**63


UNREAD: Final = ""
"""The name that stands in a tree for what could not be read."""


def parse(text: str) -> tuple[Expr | None, list[Problem]]:
    """Read one expression; a text that cannot be read gives None and what is wrong with it."""
    tree, problems = read(text)
    return (None if problems else tree), problems


def read(text: str) -> tuple[Expr | None, list[Problem]]:
    """Read what can be read of one expression: where there are problems, the tree has `UNREAD` parts or is None."""
    if len(text) > MAX_LENGTH:
        message = f"the expression is longer than {MAX_LENGTH} characters"
        return None, [Problem("too-large", MAX_LENGTH, len(text), message)]
    parser = _Parser(text)
    try:
        tree = parser.whole()
    except Rejected as rejected:
        return None, [*parser.told, rejected.problem]
    return tree, sorted(parser.told, key=lambda problem: problem.start)


class _Parser(Reading):
    """One reading of one text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nesting = 0

    def whole(self) -> Expr:
        if self._next.kind == "end":
            raise Rejected("syntax", 0, len(self._text), "the expression is empty")
        try:
            found = self._expr()
        except Rejected as rejected:
            self._recover(rejected)
            found = Name(0, self._last_end, name=UNREAD)
        while self._next.kind != "end":
            self._give_up(self._unexpected("an operator or the end"))
            if self._next.kind != "end":
                self._at += 1
        return found

    def _expr(self) -> Expr:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise Rejected("too-large", self._next.start, self._next.end, "the expression is nested too deeply")
        found = self._climb(1)
        if mark := self._accept("?"):
            with self._inside("", ":", "`:`"):
                then = self._climb(1)
            self._expect(":")
            found = self._operation("?:", mark, (found, then, self._expr()))
        self._nesting -= 1
        return found

    def _term(self) -> Expr:
        """What stands between `&&`, `||`, separators and brackets; given up as a whole where it is wrong."""
        start, nesting, around = self._next.start, self._nesting, self._around
        try:
            found = self._climb(3)
            if not self._ends_term() and not self._spelt_operator():
                raise self._unexpected(self._around[-1].wanted)
        except Rejected as rejected:
            self._nesting, self._around = nesting, around
            self._recover(rejected)
            return Name(start, max(self._last_end, start), name=UNREAD)
        return found

    def _recover(self, rejected: Rejected) -> None:
        if rejected.problem.code_slug == "too-large":
            raise rejected
        self._give_up(rejected)

    def _climb(self, minimum: int) -> Expr:
        left = self._unary() if minimum > 2 else self._term()
        while (power := INFIX.get(kind := self._spelt_operator() or self._next.kind, 0)) >= minimum:
            mark = self._take() if self._next.kind == kind else self._take_spelt(kind)
            right = self._term() if kind == "&&" else self._climb(power + 1)
            if isinstance(left, Operation) and left.name == mark.kind and mark.kind in ("&&", "||"):
                left = self._operation(mark.kind, mark, (*left.operands, right))
            else:
                left = self._operation(mark.kind, mark, (left, right))
        return left

    def _unary(self) -> Expr:
        marks: list[Token] = []
        while self._next.kind in ("!", "-") and (not marks or marks[0].kind == self._next.kind):
            if self._negative_number and not marks:
                break
            marks.append(self._take())
        negative = self._negative_number and (not marks or marks[0].kind == "!")
        found = self._member(self._number(self._take()) if negative else self._primary())
        for mark in reversed(marks):
            name = "!" if mark.kind == "!" else "neg"
            depth = self._depth(mark, found)
            found = Operation(mark.start, found.end, depth, name=name, operands=(found,), at=mark.start, until=mark.end)
        return found

    @property
    def _negative_number(self) -> bool:
        return self._next.kind == "-" and type(self._tokens[self._at + 1].value) in (int, float)

    def _number(self, minus: Token | None) -> Expr:
        token = self._take()
        start, value = (minus.start if minus else token.start), token.value
        if minus and isinstance(value, (int, float)):
            value = -value
        if token.problem is not None:
            return Name(start, token.end, name=UNREAD)
        if value == _INT_LIMIT and isinstance(value, int):
            self._tell(Problem("bad-literal", start, token.end, "the integer does not fit 64 bits"))
            return Name(start, token.end, name=UNREAD)
        return Literal(start, token.end, value=value)

    def _member(self, found: Expr) -> Expr:
        while True:
            if self._accept("."):
                found = self._dot(found)
            elif self._accept("["):
                self._no_optional()
                with self._inside("]", "", "`]`"):
                    key = self._expr()
                end = self._expect("]").end
                found = Index(found.start, end, self._depth(self._next, found, key), operand=found, key=key)
            else:
                return found

    def _dot(self, operand: Expr) -> Expr:
        self._no_optional()
        if self._next.kind not in ("name", "field"):
            raise self._unexpected("a field or function name")
        name = self._take()
        if name.kind == "name" and self._accept("("):
            return self._call(name, operand)
        depth = self._depth(name, operand)
        return Select(operand.start, name.end, depth, operand=operand, field=name.text, at=name.start, until=name.end)

    def _no_optional(self) -> None:
        if mark := self._accept("?"):
            help = "use has(…) ? … : …"
            raise Rejected("unsupported-feature", mark.start, mark.end, "optional values are not supported", help)

    def _primary(self) -> Expr:
        token = self._next
        if token.kind == "constant":
            return self._number(None)
        if token.kind == "name":
            return self._name()
        if self._accept("("):
            with self._inside(")", "", "`)`"):
                found = self._expr()
            self._expect(")")
            return found
        if self._accept("["):
            items = self._items("]")
            return ListOf(token.start, self._last_end, self._depth(token, *items), items=items)
        if self._accept("{"):
            return self._map(token)
        if token.kind == ".":
            raise Rejected("unsupported-feature", token.start, token.end, "a leading dot is not supported")
        raise self._unexpected("a value")

    def _name(self) -> Expr:
        token = self._take()
        if token.text == "not" and self._next.kind in ("name", "constant"):
            self._tell(Problem("syntax", token.start, token.end, "`not` is no operator here", "write `!`"))
            return self._unary()
        if token.text in RESERVED:
            reserved = Problem("syntax", token.start, token.end, f"`{token.text}` is a reserved word")
            if self._next.kind == "(":
                raise Rejected.of(reserved)
            self._tell(reserved)
            return Name(token.start, token.end, name=UNREAD)
        if self._accept("("):
            return self._call(token, None)
        if self._next.kind == "{":
            message = "message construction is not supported"
            raise Rejected("unsupported-feature", token.start, self._next.end, message, "write a map: {'name': value}")
        return Name(token.start, token.end, name=token.text)

    def _items(self, close: str) -> tuple[Expr, ...]:
        items: list[Expr] = []
        while not self._accept(close):
            self._no_optional()
            with self._inside(close, ",", f"`,` or `{close}`"):
                items.append(self._expr())
            if not self._accept(","):
                if self._next.kind != close:
                    raise self._unexpected(f"`,` or `{close}`")
            elif close == ")" and self._next.kind == close:
                raise self._unexpected("a value")
        return tuple(items)

    def _map(self, opening: Token) -> Expr:
        entries: list[tuple[Expr, Expr]] = []
        while not self._accept("}"):
            self._no_optional()
            with self._inside("}", ":", "`:`"):
                key = self._expr()
            self._expect(":")
            with self._inside("}", ",", "`,` or `}`"):
                entries.append((key, self._expr()))
            if not self._accept(",") and self._next.kind != "}":
                raise self._unexpected("`,` or `}`")
        parts = [part for entry in entries for part in entry]
        return MapOf(opening.start, self._last_end, self._depth(opening, *parts), entries=tuple(entries))

    def _call(self, name: Token, receiver: Expr | None) -> Expr:
        arguments = self._items(")")
        try:
            return self._called(name, receiver, arguments)
        except Rejected as rejected:
            if rejected.problem.code_slug == "too-large":
                raise
            self._tell(rejected.problem)
            return Name(name.start, self._last_end, name=UNREAD)

    def _called(self, name: Token, receiver: Expr | None, arguments: tuple[Expr, ...]) -> Expr:
        if any(isinstance(argument, Name) and argument.name == UNREAD for argument in arguments):
            return Name(name.start, self._last_end, name=UNREAD)
        if name.text == "has" and receiver is None:
            return self._has(name, arguments)
        if name.text in MACROS and receiver is not None:
            return self._macro(name, receiver, arguments)
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise unknown_function(name)
        operands = arguments if receiver is None else (receiver, *arguments)
        if len(operands) != function.arguments or not (function.free if receiver is None else function.member):
            raise wrong_arguments(name, function)
        return self._operation(name.text, name, operands, start=None if receiver else name.start, end=self._last_end)

    def _has(self, name: Token, arguments: tuple[Expr, ...]) -> Expr:
        field = arguments[0] if len(arguments) == 1 else None
        if not isinstance(field, Select) or field.test:
            help = "write has(args.title); for a key that is no identifier, has(args.`content-type`)"
            raise Rejected("wrong-arguments", name.start, self._last_end, "`has` takes one field", help)
        return Select(
            name.start, self._last_end, field.depth, operand=field.operand, field=field.field, at=field.at,
            until=field.until, test=True,
        )  # fmt: skip

    def _macro(self, name: Token, operand: Expr, arguments: tuple[Expr, ...]) -> Expr:
        allowed = (2, 3) if name.text == "map" else (2,)
        if len(arguments) not in allowed or not isinstance(arguments[0], Name):
            help = f"write {name.text}(x, …), with a variable of your own for `x`"
            message = f"`{name.text}` takes a variable and an expression"
            raise Rejected("wrong-arguments", name.start, self._last_end, message, help)
        condition = arguments[1] if len(arguments) == 3 else None
        depth = self._depth(name, operand, *arguments) + (condition is not None)
        return Macro(
            operand.start, self._last_end, depth, name=name.text, operand=operand, variable=arguments[0].name,
            condition=condition, body=arguments[-1],
        )  # fmt: skip

    def _operation(
        self, name: str, mark: Token, operands: tuple[Expr, ...], start: int | None = None, end: int | None = None
    ) -> Operation:
        return Operation(
            operands[0].start if start is None else start,
            operands[-1].end if end is None else end,
            self._depth(mark, *operands),
            name=name,
            operands=operands,
            at=mark.start,
            until=mark.end,
        )

    def _depth(self, place: Token, *below: Expr) -> int:
        depth = 1 + max((node.depth for node in below), default=0)
        if depth > MAX_DEPTH:
            raise Rejected("too-large", place.start, place.end, "the expression has too many steps in a row")
        return depth
