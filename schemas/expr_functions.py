"""The functions of the expression language on JSON values: sizes, tests of text, conversions."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from meshplan.schemas.expr_values import INT_MAX, INT_MIN, ExprError, Meter, Value, charge, int64, overload

_INT_TEXT: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE_TEXT: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MAX_NUMBER_TEXT: Final = 1_000
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_FIXED_EXPONENTS: Final = range(-4, 6)


def size(value: Value, _meter: Meter) -> Value:
    """Count code points, elements or entries."""
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise overload("size", value)


def starts_with(text: Value, prefix: Value, meter: Meter) -> Value:
    """Tell whether `text` begins with `prefix`."""
    text, prefix = _texts("startsWith", text, prefix, meter)
    return text.startswith(prefix)


def ends_with(text: Value, suffix: Value, meter: Meter) -> Value:
    """Tell whether `text` ends with `suffix`."""
    text, suffix = _texts("endsWith", text, suffix, meter)
    return text.endswith(suffix)


def contains(text: Value, part: Value, meter: Meter) -> Value:
    """Tell whether `part` occurs in `text`."""
    text, part = _texts("contains", text, part, meter)
    return part in text


def _texts(name: str, left: Value, right: Value, meter: Meter) -> tuple[str, str]:
    if isinstance(left, str) and isinstance(right, str):
        charge(meter, len(left) >> 5)
        return left, right
    raise overload(name, left, right)


def lower_ascii(text: Value, meter: Meter) -> Value:
    """Lower the ASCII letters only."""
    return _translate("lowerAscii", text, _LOWER, meter)


def upper_ascii(text: Value, meter: Meter) -> Value:
    """Raise the ASCII letters only."""
    return _translate("upperAscii", text, _UPPER, meter)


def _translate(name: str, text: Value, table: dict[int, int], meter: Meter) -> str:
    if not isinstance(text, str):
        raise overload(name, text)
    charge(meter, len(text) >> 5)
    return text.translate(table)


def to_int(value: Value, _meter: Meter) -> Value:
    """Convert an int, a double (truncating) or decimal digits with an optional sign."""
    if type(value) is int:
        return int64(value)
    if isinstance(value, float):
        if INT_MIN < value < INT_MAX:
            return int(value)
        raise ExprError("overflow", "double out of the 64-bit integer range")
    if isinstance(value, str):
        if _INT_TEXT.fullmatch(value):
            return int64(int(value))
        raise ExprError("conversion", "the text is not a 64-bit integer")
    raise overload("int", value)


def to_double(value: Value, _meter: Meter) -> Value:
    """Convert an int, a double or text in decimal notation."""
    if type(value) is int:
        return float(int64(value))
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        if len(value) <= _MAX_NUMBER_TEXT and _DOUBLE_TEXT.fullmatch(value) and math.isfinite(float(value)):
            return float(value)
        raise ExprError("conversion", "the text is not a double")
    raise overload("double", value)


def to_string(value: Value, _meter: Meter) -> Value:
    """Convert a scalar; doubles in the shortest text that reads back, with an exponent from 1e+06 on."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int:
        return str(int64(value))
    if isinstance(value, float):
        return _double_text(value)
    if isinstance(value, str):
        return value
    raise overload("string", value)


def _double_text(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    power = len(text) + int(exponent) - 1 if value else 0
    minus = "-" if sign else ""
    if power in _FIXED_EXPONENTS:
        return minus + format(Decimal(repr(abs(value))).normalize(), "f")
    return f"{minus}{text[0]}{'.' if text[1:] else ''}{text[1:]}e{power:+03d}"
