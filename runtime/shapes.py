"""Narrowing of JSON at the border: an object, a list or a text, or nothing."""

from __future__ import annotations

from typing import Any, cast


def members(value: Any) -> dict[str, Any] | None:
    """The value, if it is an object."""
    found: Any = value
    return found if isinstance(value, dict) else None


def items(value: Any) -> list[Any]:
    """The value's elements, if it is a list; else none."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """The value, if it is a string."""
    return value if isinstance(value, str) else None
