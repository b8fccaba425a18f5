"""``Mcp-Param-*`` headers (SEP-2243): what goes with a call's arguments, and whether what a client sent agrees with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshplan.runtime.errors import HEADER_MISMATCH, RpcError
from meshplan.runtime.protocol import decode_header_value, encode_header_value
from meshplan.schemas.mirrors import Mirror

_DECIMAL = re.compile(r"(-?[0-9]+)(?:\.(0+))?")


def headers_for(wanted: tuple[Mirror, ...], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that go with these arguments."""
    found: dict[str, str] = {}
    for mirror in wanted:
        text = _rendered(mirror.value(arguments))
        if text is not None:
            found[mirror.header] = encode_header_value(text)
    return found


def check(wanted: tuple[Mirror, ...], arguments: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Each header, by lower-case name, must agree with its argument, or both be absent; raises ``RpcError``."""
    for mirror in wanted:
        sent, value = headers.get(mirror.header.lower()), mirror.value(arguments)
        text = _rendered(value)
        if sent is None and text is None:
            continue
        where = f"argument `{'.'.join(mirror.path)}`"
        if text is None:
            raise _mismatch(mirror, f"repeats {where}, which is absent")
        if sent is None:
            raise _mismatch(mirror, f"is missing, and {where} is there")
        if not _agree(mirror, value, text, decode_header_value(sent)):
            raise _mismatch(mirror, f"does not match {where}")


def _mismatch(mirror: Mirror, what: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"header `{mirror.header}` {what}")


def _rendered(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:
        return None


def _agree(mirror: Mirror, value: Any, text: str, sent: str | None) -> bool:
    """Integers are compared as numbers: ``42`` is ``42.0``, exactly, whatever their size."""
    if sent is None:
        return False
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    found = _DECIMAL.fullmatch(sent) if mirror.integer and whole and not isinstance(value, bool) else None
    if found is None:
        return sent == text
    try:
        return int(found[1]) == int(value)
    except ValueError:
        return False
