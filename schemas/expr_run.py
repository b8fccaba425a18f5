"""The closures that a loaded expression is made of; they trust that the expression was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from meshplan.schemas.expr_values import (
    INT_MAX,
    INT_MIN,
    ORDERINGS,
    ORDERS,
    Binary,
    ExprError,
    Meter,
    Unary,
    Value,
    charge,
    elements,
    equal,
    kind_of,
    overload,
)

Env: TypeAlias = Mapping[str, Value]
"""Variable name → JSON value."""
Run: TypeAlias = Callable[[Env, Meter], Value]


def constant(value: Value) -> Run:
    """Give always the same value."""
    return lambda _env, _meter: value


def variable(name: str) -> Run:
    """Read a variable."""

    def run(env: Env, _meter: Meter) -> Value:
        if name in env:
            return env[name]
        raise ExprError("unbound", f"`{name}` has no value here")

    return run


def select(operand: Run, field: str) -> Run:
    """Read a key of a map."""
    return lambda env, meter: _field(operand(env, meter), field)


def select_variable(name: str, field: str) -> Run:
    """Read a key of a variable: what nearly every condition does, without a call."""

    def run(env: Mapping[str, Any], _meter: Meter) -> Value:
        try:
            return env[name][field]
        except (KeyError, TypeError):
            pass
        if name not in env:
            raise ExprError("unbound", f"`{name}` has no value here")
        return _field(env[name], field)

    return run


def _field(container: Value, field: str) -> Value:
    if not isinstance(container, dict):
        raise overload(f".{field}", container)
    if field not in container:
        raise ExprError("absent", f"no such field `{field}`")
    return container[field]


def has(operand: Run, field: str) -> Run:
    """Tell whether a map has a key; anything else than a map is an error."""

    def run(env: Env, meter: Meter) -> Value:
        container = operand(env, meter)
        if isinstance(container, dict):
            return field in container
        raise overload("has", container)

    return run


def unary(apply: Unary, operand: Run) -> Run:
    """Apply an operation to one operand."""
    return lambda env, meter: apply(operand(env, meter), meter)


def binary(apply: Binary, left: Run, right: Run) -> Run:
    """Apply an operation to two operands, the left one evaluated first."""
    return lambda env, meter: apply(left(env, meter), right(env, meter), meter)


def binary_constant(apply: Binary, left: Run, right: Value) -> Run:
    """Apply an operation whose right operand never changes."""
    return lambda env, meter: apply(left(env, meter), right, meter)


def compare_int(name: str, left: Run, bound: int) -> Run:
    """Order against a constant int."""
    order, apply = ORDERS[name], ORDERINGS[name]

    def run(env: Env, meter: Meter) -> Value:
        value = left(env, meter)
        if type(value) is int and INT_MIN <= value <= INT_MAX:
            return order(value, bound)
        return apply(value, bound, meter)

    return run


def equals_text(operand: Run, text: str, *, negated: bool) -> Run:
    """Compare with a constant text."""

    def run(env: Env, meter: Meter) -> Value:
        value = operand(env, meter)
        if isinstance(value, str):
            return (value == text) is not negated
        return equal(value, text, meter) is not negated

    return run


def among_texts(operand: Run, texts: frozenset[str]) -> Run:
    """Look a value up among constant texts."""

    def run(env: Env, meter: Meter) -> Value:
        value = operand(env, meter)
        return value in texts if isinstance(value, str) else equal(value, "", meter)

    return run


def listing(items: tuple[Run, ...]) -> Run:
    """Build a list."""
    return lambda env, meter: [item(env, meter) for item in items]


def mapping(entries: list[tuple[Run, Run]]) -> Run:
    """Build a map; its keys must be texts, each once."""

    def run(env: Env, meter: Meter) -> Value:
        built: dict[str, Value] = {}
        for make_key, make_value in entries:
            key = make_key(env, meter)
            if not isinstance(key, str):
                raise ExprError("overload", f"a map key is a string, not {kind_of(key)}")
            if key in built:
                raise ExprError("duplicate", f"duplicate map key `{key}`")
            built[key] = make_value(env, meter)
        return built

    return run


def choice(condition: Run, then: Run, otherwise: Run) -> Run:
    """Evaluate one of two branches."""

    def run(env: Env, meter: Meter) -> Value:
        chosen = condition(env, meter)
        if not isinstance(chosen, bool):
            raise overload("?:", chosen)
        return then(env, meter) if chosen else otherwise(env, meter)

    return run


def junction(terms: tuple[Run, ...], *, stop: bool) -> Run:
    """Join terms with `||` (`stop` is true) or `&&`: a term that decides wins over errors before and after it."""
    name = "||" if stop else "&&"

    def run(env: Env, meter: Meter) -> Value:
        failure: ExprError | None = None
        for term in terms:
            try:
                value = term(env, meter)
            except ExprError as error:
                failure = error
                continue
            if value is stop:
                return stop
            if not isinstance(value, bool):
                failure = overload(name, value)
        if failure is not None:
            raise failure
        return not stop

    return run


def quantifier(items: Run, name: str, body: Run, *, stop: bool) -> Run:
    """Run `exists` (`stop` is true) or `all`: an element that decides wins over errors on the others."""

    def run(env: Env, meter: Meter) -> Value:
        failure: ExprError | None = None
        scope = dict(env)
        for item in elements(items(env, meter)):
            charge(meter, 1)
            scope[name] = item
            try:
                value = body(scope, meter)
            except ExprError as error:
                failure = error
                continue
            if value is stop:
                return stop
            if not isinstance(value, bool):
                failure = overload("exists" if stop else "all", value)
        if failure is not None:
            raise failure
        return not stop

    return run


def selection(one: bool, items: Run, name: str, body: Run) -> Run:
    """Run `filter`, or `exists_one` where `one` is true; an error on any element is an error."""

    def run(env: Env, meter: Meter) -> Value:
        kept: list[Value] = []
        scope = dict(env)
        for item in elements(items(env, meter)):
            charge(meter, 1)
            scope[name] = item
            chosen = body(scope, meter)
            if not isinstance(chosen, bool):
                raise overload("filter", chosen)
            if chosen:
                kept.append(item)
        return len(kept) == 1 if one else kept

    return run


def transform(items: Run, name: str, body: Run) -> Run:
    """Run `map`; an error on any element is an error."""

    def run(env: Env, meter: Meter) -> Value:
        made: list[Value] = []
        scope = dict(env)
        for item in elements(items(env, meter)):
            charge(meter, 1)
            scope[name] = item
            made.append(body(scope, meter))
        return made

    return run
