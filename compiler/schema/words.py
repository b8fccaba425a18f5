"""The small words of the language as JSON Schema says them; each is named after the validator that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PARAMETER = r"\$\{param\.[a-z]"
_AMOUNT = r"[0-9]{1,12}(\.[0-9]{1,9})?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_NOT_ZERO = "(?=0*[1-9])"


def _text(pattern: str, *examples: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)}


WORDS: dict[str, dict[str, Any]] = {
    "_name": _text("[a-z][a-z0-9_-]{0,62}", "notes"),
    "_duration": _text(f"{_NOT_ZERO}[0-9]{{1,9}}(ms|s|m|h|d)", "30s", "500ms"),
    "_size": _text(f"{_NOT_ZERO}[0-9]{{1,9}}(B|KiB|MiB|GiB)", "4MiB"),
    "_day": _text("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", "2027-03-31"),
    "_url": _text(
        r"(?!.*\$\{)[hH][tT][tT][pP][sS]?://(\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]$<>^`|%\"\\{}]+)(:[0-9]{0,5})?([/?][^\s#]*)?",
        "https://notes.example/mcp",
    ),
    "_listen": _text(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "127.0.0.1:8700"),
    "_network": _text(
        rf"({_BYTE}(\.{_BYTE}){{3}}(/(3[0-2]|[12]?[0-9]))?|(?=.*:.*:)[0-9a-fA-F:.]+(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)",
        "10.0.0.0/8",
    ),
    "_money": _text(f"{_AMOUNT} [a-z]{{3}}", "0.50 usd"),
    "_rate": _text(f"{_AMOUNT} [a-z]{{3}}/(1|1k|1K|1M)", "3.00 usd/1M"),
    "_quantity": _text(f"([0-9]{{1,15}}[kM]? (calls|tokens)|{_AMOUNT} [a-z]{{3}})", "60 calls", "2M tokens", "500 usd"),
    "_percent": _text("(0{0,2}[1-9]|0?[1-9][0-9]|100)%", "80%"),
}


def or_parameter(pattern: str) -> str:
    """The pattern of a value in which `${param.NAME}` may stand for some or all of it."""
    return f"({pattern})|{_PARAMETER}"


def _duration(ms: int) -> str:
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms and not ms % length:
            return f"{ms // length}{unit}"
    return f"{ms}ms"


def _size(size: int) -> str:
    for unit, length in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size and not size % length:
            return f"{size // length}{unit}"
    return f"{size}B"


SPELLINGS: dict[str, Callable[[int], str]] = {"_duration": _duration, "_size": _size}
