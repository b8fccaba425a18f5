"""W3C Trace Context: where a request comes from, as its ``_meta`` says (SEP-414), else its HTTP headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from meshplan.runtime.shapes import members

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
MAX_STATE: Final = 512
"""Characters of a tracestate that are passed on (Trace Context 3.3.1.5)."""
_PARENT: Final = re.compile(r"(?P<version>[0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?P<more>-.*)?")

HEADERS: ContextVar[Mapping[str, Any] | None] = ContextVar("trace_headers", default=None)
"""The headers of the HTTP request that is being answered, where they name a trace."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A span of somebody else; ids in hex, ``flags`` as sent."""

    trace: str
    span: str
    flags: int
    state: str | None = None


def parent_of(carrier: Mapping[str, Any] | None) -> Parent | None:
    """What a carrier says (Trace Context 3.2); ``None`` for nothing, and for what is not well-formed."""
    sent = None if carrier is None else carrier.get(TRACEPARENT)
    if not isinstance(sent, str):
        return None
    found = _PARENT.fullmatch(sent)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"] is not None):
        return None
    if not int(found[2], 16) or not int(found[3], 16):
        return None
    state = carrier.get(TRACESTATE) if carrier is not None else None
    kept = state if isinstance(state, str) and len(state) <= MAX_STATE else None
    return Parent(found[2], found[3], int(found[4], 16), kept)


def parent_in(params: Mapping[str, Any]) -> Parent | None:
    """What a request's ``_meta`` says."""
    meta = params.get("_meta")
    return None if meta is None else parent_of(members(meta))


def follow(params: Mapping[str, Any]) -> None:
    """What this task asks from here on belongs to the trace of this request."""
    meta = members(params.get("_meta"))
    if meta is not None and TRACEPARENT in meta:
        HEADERS.set(meta)


def trace_id(params: Mapping[str, Any]) -> str | None:
    """The trace that a request belongs to."""
    parent = parent_in(params) or parent_of(HEADERS.get())
    return None if parent is None else parent.trace
