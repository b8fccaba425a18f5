"""What the operators and functions of an expression do to JSON values (CEL semantics), knowing nothing of programs."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, Final, Literal, TypeAlias

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
"""A JSON value as `json.loads` builds it; values of other Python types are errors, never a silent `false`."""

Meter: TypeAlias = list[int]
"""One cell: the steps that an evaluation may still spend."""

Unary: TypeAlias = Callable[[Value, Meter], Value]
Binary: TypeAlias = Callable[[Value, Value, Meter], Value]

Kind = Literal["overload", "absent", "overflow", "division", "conversion", "duplicate", "unbound", "cost"]

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
MAX_TEXT: Final = 1 << 20
"""Characters that `+` may build."""
MAX_ITEMS: Final = 100_000
"""Elements that `+` may build."""

_KINDS: Final[dict[type, str]] = {
    NoneType: "null",
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    list: "list",
    dict: "map",
}


class ExprError(Exception):
    """An expression that has no value for these inputs; `kind` is stable, the message is for people."""

    def __init__(self, kind: Kind, message: str) -> None:
        """Keep `kind` apart from the message."""
        super().__init__(message)
        self.kind: Final = kind


def kind_of(value: object) -> str:
    """Return the CEL name of a value's type."""
    return _KINDS.get(type(value)) or ("double" if isinstance(value, float) else "unsupported value")


def overload(operation: str, *values: object) -> ExprError:
    """Build the error for an operation that these types do not have."""
    kinds = ", ".join(kind_of(value) for value in values)
    return ExprError("overload", f"`{operation}` cannot be applied to ({kinds})")


def charge(meter: Meter, steps: int) -> None:
    """Spend steps, and fail once they are used up."""
    meter[0] -= steps
    if meter[0] < 0:
        raise ExprError("cost", "the expression takes too many steps on this input")


def int64(value: int) -> int:
    """Return an int that CEL can hold."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise ExprError("overflow", "integer out of the 64-bit range")


def equal(left: Value, right: Value, meter: Meter) -> bool:
    """Compare for equality: across numeric types by exact value, `false` for other differing types.

    Source: cel-spec, language definition, "Equality". An integer outside int64 is an error against a number.
    """
    if type(left) is str and type(right) is str:
        return left == right
    if not isinstance(left, (list, dict)) or not isinstance(right, (list, dict)):
        return _scalar_equal(left, right)
    pending: list[tuple[Value, Value]] = [(left, right)]
    while pending:
        a, b = pending.pop()
        charge(meter, 1)
        if isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            pending.extend((item, b[key]) for key, item in a.items())
        elif not _scalar_equal(a, b):
            return False
    return True


def _scalar_equal(left: Value, right: Value) -> bool:
    if _numeric(left) and _numeric(right):
        _check_range(left)
        _check_range(right)
        return left == right
    if "unsupported value" in (kind_of(left), kind_of(right)):
        raise overload("==", left, right)
    return type(left) is type(right) and left == right


def _numeric(value: Value) -> bool:
    return type(value) is int or isinstance(value, float)


def _check_range(value: Value) -> None:
    if type(value) is int:
        int64(value)


def unequal(left: Value, right: Value, meter: Meter) -> Value:
    """Return the negation of `equal`."""
    return not equal(left, right, meter)


def _ordering(name: str, order: Callable[[Any, Any], bool]) -> Binary:
    def compare(left: Value, right: Value, _meter: Meter) -> Value:
        if type(left) is int and type(right) is int:
            return order(int64(left), int64(right))
        if isinstance(left, str) and isinstance(right, str):
            return order(left, right)
        if _numeric(left) and _numeric(right):
            _check_range(left)
            _check_range(right)
            return order(left, right)
        if isinstance(left, bool) and isinstance(right, bool):
            return order(left, right)
        raise overload(name, left, right)

    return compare


ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ORDERINGS: Final = {name: _ordering(name, order) for name, order in ORDERS.items()}


def member(item: Value, container: Value, meter: Meter) -> bool:
    """Tell whether a list has an equal element, or a map the key; no key but a string is in a JSON map."""
    if isinstance(container, list):
        charge(meter, len(container))
        return any(equal(item, other, meter) for other in container)
    if isinstance(container, dict) and isinstance(item, (str, bool, int, float)):
        return type(item) is str and item in container
    raise overload("in", item, container)


def index(container: Value, key: Value, _meter: Meter) -> Value:
    """Return a list's element (by int, or by a double without fraction) or the value of a map's key."""
    if isinstance(container, dict) and isinstance(key, (str, bool, int, float)):
        if type(key) is str and key in container:
            return container[key]
        raise ExprError("absent", "no such key")
    if isinstance(container, list):
        at = int(key) if isinstance(key, float) and key.is_integer() else key
        if type(at) is int:
            if 0 <= at < len(container):
                return container[at]
            raise ExprError("absent", "list index out of range")
    raise overload("[]", container, key)


def add(left: Value, right: Value, meter: Meter) -> Value:
    """Add two ints or two doubles, or join two strings or two lists within bounds."""
    if type(left) is int and type(right) is int:
        return int64(int64(left) + int64(right))
    if isinstance(left, float) and isinstance(right, float):
        return left + right
    if type(left) is str and type(right) is str:
        size = len(left) + len(right)
        _bounded(size, MAX_TEXT)
        charge(meter, size >> 5)
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        size = len(left) + len(right)
        _bounded(size, MAX_ITEMS)
        charge(meter, size)
        return [*left, *right]
    raise overload("+", left, right)


def _bounded(size: int, limit: int) -> None:
    if size > limit:
        raise ExprError("cost", f"`+` builds at most {limit} characters or elements")


def subtract(left: Value, right: Value, _meter: Meter) -> Value:
    """Subtract two ints or two doubles."""
    if type(left) is int and type(right) is int:
        return int64(int64(left) - int64(right))
    if isinstance(left, float) and isinstance(right, float):
        return left - right
    raise overload("-", left, right)


def multiply(left: Value, right: Value, _meter: Meter) -> Value:
    """Multiply two ints or two doubles."""
    if type(left) is int and type(right) is int:
        return int64(int64(left) * int64(right))
    if isinstance(left, float) and isinstance(right, float):
        return left * right
    raise overload("*", left, right)


def divide(left: Value, right: Value, _meter: Meter) -> Value:
    """Divide two ints, truncating towards zero, or two doubles, as IEEE 754 does."""
    if type(left) is int and type(right) is int:
        return _quotient(left, right)
    if isinstance(left, float) and isinstance(right, float):
        if right != 0.0:
            return left / right
        sign = math.copysign(1.0, left) * math.copysign(1.0, right)
        return math.nan if left == 0.0 or math.isnan(left) else sign * math.inf
    raise overload("/", left, right)


def modulo(left: Value, right: Value, _meter: Meter) -> Value:
    """Return the remainder of truncating division, so it has the sign of `left`; ints only."""
    if type(left) is int and type(right) is int:
        return left - right * _quotient(left, right)
    raise overload("%", left, right)


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise ExprError("division", "division by zero")
    size = abs(int64(left)) // abs(int64(right))
    return int64(size if (left < 0) == (right < 0) else -size)


def negate(value: Value, _meter: Meter) -> Value:
    """Return the negative of an int or a double."""
    if type(value) is int:
        return int64(-int64(value))
    if isinstance(value, float):
        return -value
    raise overload("-", value)


def invert(value: Value, _meter: Meter) -> Value:
    """Return the opposite of a bool."""
    if isinstance(value, bool):
        return not value
    raise overload("!", value)


def elements(container: Value) -> Iterable[Value]:
    """Return what a macro ranges over: a list's elements or a map's keys."""
    if isinstance(container, (list, dict)):
        return container
    raise ExprError("overload", f"a macro ranges over a list or a map, not {kind_of(container)}")
