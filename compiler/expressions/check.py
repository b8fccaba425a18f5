"""Types of an expression against what its variables hold; finds mistakes, changes nothing, and is never on the hot path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from meshplan.compiler.expressions import facts as known
from meshplan.compiler.expressions.constants import check_constants
from meshplan.compiler.expressions.facts import Facts, facts_if, guards, path
from meshplan.compiler.expressions.fields import Fields
from meshplan.compiler.expressions.parser import UNREAD
from meshplan.compiler.expressions.problems import Problem, did_you_mean, listed, quoted
from meshplan.compiler.expressions.signatures import apply, family, may_be_equal
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
from meshplan.compiler.expressions.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Dyn,
    Field,
    ListType,
    MapType,
    Scalar,
    Type,
    options,
    show,
    union,
)

Env: TypeAlias = Mapping[str, Type]
"""Variable name → what it holds."""


def check(tree: Expr, env: Env, expect: Type = BOOL) -> list[Problem]:
    """Return every problem of an expression that must give `expect`, in the order of the text."""
    return infer(tree, env, expect)[1]


def infer(tree: Expr, env: Env, expect: Type = DYN) -> tuple[Type, list[Problem]]:
    """Return the type of an expression's value too; a part with a problem counts as `DYN`, so one mistake is told once."""
    checker = _Checker(env)
    kind = checker.infer(tree, known.NONE)
    checker.expect(tree, kind, expect)
    problems = checker.problems
    problems += check_constants(tree, condition=expect == BOOL, found=problems)
    unique = {(problem.start, problem.end, problem.code_slug, problem.message): problem for problem in problems}
    return kind, [unique[key] for key in sorted(unique)]


class _Checker:
    """One walk over one expression."""

    def __init__(self, env: Env) -> None:
        self._env: dict[str, Type] = dict(env)
        self.problems: list[Problem] = []
        self._fields = Fields(self.problems)

    def _report(self, slug: str, start: int, end: int, message: str, help: str | None = None) -> Type:
        self.problems.append(Problem(slug, start, end, message, help))
        return DYN

    def expect(self, tree: Expr, kind: Type, wanted: Type) -> None:
        if isinstance(kind, Dyn) or isinstance(wanted, Dyn):
            return
        accepted = {family(option) for option in options(wanted)}
        fitting = [option for option in options(kind) if family(option) in accepted]
        if not fitting:
            slug = "not-a-condition" if wanted == BOOL else "wrong-result"
            needed = "a condition must be a bool" if wanted == BOOL else f"expected {show(wanted)}"
            self._report(slug, tree.start, tree.end, f"{needed}, and this is {show(kind)}", _fit_help(kind, wanted))
        elif len(fitting) < len(options(kind)):
            self._report("may-fail", tree.start, tree.end, f"expected {show(wanted)}, and this is {show(kind)}")

    def infer(self, tree: Expr, facts: Facts) -> Type:
        match tree:
            case Literal(value=value):
                return _literal_type(value)
            case Name():
                return self._name(tree)
            case Select():
                return self._fields.select(tree, self.infer(tree.operand, facts), facts)
            case Index(operand=operand, key=Literal(value=str())):
                return self._fields.constant_index(tree, self.infer(operand, facts), facts)
            case Index(operand=operand, key=key):
                kinds = (self.infer(operand, facts), self.infer(key, facts))
                return self._apply("index", kinds, operand.end, tree.end)
            case ListOf(items=items):
                return ListType(union([self.infer(item, facts) for item in items]))
            case MapOf():
                return self._map(tree, facts)
            case Operation():
                return self._operation(tree, facts)
            case Macro():
                return self._macro(tree, facts)

    def _name(self, tree: Name) -> Type:
        if tree.name in self._env or tree.name == UNREAD:
            return self._env.get(tree.name, DYN)
        text = f"; text goes in quotes: '{tree.name}'"
        help = did_you_mean(tree.name, self._env) or f"the variables here are {listed(self._env)}{text}"
        for variable, kind in sorted(self._env.items()):
            if isinstance(kind, MapType) and tree.name in kind.fields:
                help = f"did you mean {quoted(f'{variable}.{tree.name}')}?"
                break
        return self._report("unknown-variable", tree.start, tree.end, f"unknown variable `{tree.name}`", help)

    def _map(self, tree: MapOf, facts: Facts) -> Type:
        fields: dict[str, Field] = {}
        rest: Type | None = None
        for key, value in tree.entries:
            kind, held = self.infer(key, facts), self.infer(value, facts)
            if not may_be_equal(kind, STRING):
                self._report("type-mismatch", key.start, key.end, f"a map key is a string, and this is {show(kind)}")
            if not isinstance(key, Literal) or not isinstance(key.value, str):
                rest = DYN
            elif key.value in fields:
                self._report("duplicate-key", key.start, key.end, "the map has this key twice")
            else:
                fields[key.value] = Field(held)
        return MapType(fields, rest)

    def _operation(self, tree: Operation, facts: Facts) -> Type:
        if tree.name in ("&&", "||"):
            return self._junction(tree, facts)
        if tree.name == "?:":
            condition, then, otherwise = tree.operands
            self._bool(condition, facts)
            chosen = self.infer(then, facts | facts_if(condition, outcome=True))
            return union([chosen, self.infer(otherwise, facts | facts_if(condition, outcome=False))])
        kinds = tuple(self.infer(operand, facts) for operand in tree.operands)
        self._enum(tree, kinds)
        if tree.name in ("==", "!=") and NULL in kinds and not all(may_be_equal(kind, NULL) for kind in kinds):
            sense = "false" if tree.name == "==" else "true"
            self._report(
                "constant-condition", tree.start, tree.end, f"this is never null, so the comparison is always {sense}"
            )
            return BOOL
        return self._apply(tree.name, kinds, tree.at, tree.until)

    def _apply(self, name: str, kinds: tuple[Type, ...], start: int, end: int) -> Type:
        result, failing = apply(name, kinds)
        shown = {"neg": "-", "index": "[]"}.get(name, name)
        if result is None:
            given = " and ".join(show(kind) for kind in kinds)
            message = f"`{shown}` cannot be applied to {given}"
            return self._report("type-mismatch", start, end, message, _mismatch_help(name, kinds))
        if failing is not None:
            given = " and ".join(show(kind) for kind in failing)
            self._report(
                "may-fail", start, end, f"`{shown}` fails where it meets {given}", _partial_help(name, failing)
            )
        return result

    def _junction(self, tree: Operation, facts: Facts) -> Type:
        # A term is only decisive where no other term decides: it may rely on what the others guard, on either side.
        proven = [guards(term, outcome=tree.name == "&&") for term in tree.operands]
        for at, term in enumerate(tree.operands):
            self._bool(term, facts.union(*proven[:at], *proven[at + 1 :]))
        return BOOL

    def _bool(self, tree: Expr, facts: Facts) -> None:
        kind = self.infer(tree, facts)
        if isinstance(kind, Dyn) or kind == BOOL:
            return
        slug = "may-fail" if may_be_equal(kind, BOOL) else "type-mismatch"
        help = _fit_help(kind, BOOL)
        self._report(slug, tree.start, tree.end, f"expected a bool, and this is {show(kind)}", help)

    def _enum(self, tree: Operation, kinds: tuple[Type, ...]) -> None:
        if tree.name in ("==", "!="):
            for constant, kind in ((tree.operands[0], kinds[1]), (tree.operands[1], kinds[0])):
                self._in_enum(constant, kind)
        elif tree.name == "in":
            item, container = tree.operands
            if isinstance(container, ListOf):
                for constant in container.items:
                    self._in_enum(constant, kinds[0])
            for option in options(kinds[1]):
                if isinstance(option, ListType):
                    self._in_enum(item, option.item)

    def _in_enum(self, constant: Expr, kind: Type) -> None:
        if not isinstance(constant, Literal) or not isinstance(constant.value, (str, int)):
            return
        name = _literal_type(constant.value)
        for option in options(kind):
            if isinstance(option, Scalar) and option.values is not None and Scalar(option.name) == name:
                if constant.value in option.values:
                    return
                allowed = sorted(map(str, option.values))
                help = did_you_mean(str(constant.value), allowed) or f"it is one of {listed(allowed)}"
                message = f"{quoted(str(constant.value))} is not among the values that this can have"
                self._report("not-in-enum", constant.start, constant.end, message, help)

    def _macro(self, tree: Macro, facts: Facts) -> Type:
        item = self._element(tree, facts)
        outside = self._env.get(tree.variable)
        self._env[tree.variable] = item
        inner = known.without(facts, tree.variable)
        if tree.condition is not None:
            self._bool(tree.condition, inner)
            inner |= facts_if(tree.condition, outcome=True)
        if tree.name == "map":
            result: Type = ListType(self.infer(tree.body, inner))
        else:
            self._bool(tree.body, inner)
            result = ListType(item) if tree.name == "filter" else BOOL
        del self._env[tree.variable]
        if outside is not None:
            self._env[tree.variable] = outside
        return result

    def _element(self, tree: Macro, facts: Facts) -> Type:
        kind = self.infer(tree.operand, facts)
        if isinstance(kind, Dyn):
            return DYN
        items = [
            option.item if isinstance(option, ListType) else STRING
            for option in options(kind)
            if isinstance(option, (ListType, MapType))
        ]
        start, end = tree.operand.start, tree.operand.end
        if not items:
            return self._report(
                "type-mismatch", start, end, f"`{tree.name}` needs a list or a map, and this is {show(kind)}"
            )
        others = [option for option in options(kind) if not isinstance(option, (ListType, MapType))]
        if (path(tree.operand), "not null") in facts:
            others = [option for option in others if option != NULL]
        if others:
            given = " or ".join(map(show, others))
            self._report("may-fail", start, end, f"`{tree.name}` fails where this is {given}")
        return union(items)


def _literal_type(value: str | float | bool | None) -> Type:
    if value is None or isinstance(value, bool):
        return NULL if value is None else BOOL
    if isinstance(value, str):
        return STRING
    return INT if isinstance(value, int) else DOUBLE


def _fit_help(kind: Type, wanted: Type) -> str | None:
    given = family(options(kind)[0])
    if wanted == BOOL:
        return {"number": "compare it: args.count > 0", "string": "compare it: args.state == 'open'"}.get(given)
    if {given, family(options(wanted)[0])} == {"number", "string"}:
        return f"convert it: {show(options(wanted)[0])}(…)"
    return None


def _mismatch_help(name: str, kinds: tuple[Type, ...]) -> str | None:
    families = {family(option) for kind in kinds for option in options(kind)}
    if name in ("+", "-", "*", "/", "%") and families == {"number"}:
        return "ints and doubles do not mix: convert one with int(…) or double(…)"
    if families == {"number", "string"}:
        return "convert one side with int(…), double(…) or string(…)"
    if families == {"bool", "string"}:
        return "a bool is compared with true or false, without quotes"
    if name == "in":
        return "what the list or the keys of the map hold is of another type"
    return None


def _partial_help(name: str, failing: tuple[Type, ...]) -> str | None:
    if NULL in failing:
        return "guard it with `!= null && …`"
    if name in ("+", "-", "*", "/", "%") and {family(kind) for kind in failing} == {"number"}:
        return "a JSON number may be an int or a double: wrap it in double(…)"
    return None
