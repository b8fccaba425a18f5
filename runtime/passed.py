"""What a caller gets to see of a result that is still the upstream's text: only members that must change are touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from meshplan.runtime.errors import Outcome
from meshplan.runtime.index import EndpointIndex
from meshplan.runtime.results import CACHE_TTL_MS

Members = dict[str, msgspec.Raw]


class _Head(msgspec.Struct, rename="camel"):
    result_type: Any = None
    is_error: Any = None


class _HeadBefore(_Head, rename="camel"):
    """What clients before 2026-07-28 may need to be changed, too."""

    structured_content: msgspec.Raw = msgspec.Raw()


_head = msgspec.json.Decoder(_Head)
_head_before = msgspec.json.Decoder(_HeadBefore)
_members = msgspec.json.Decoder(Members)
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_COMPLETE = msgspec.Raw(b'"complete"')
_PRIVATE = msgspec.Raw(b'"private"')
_TTL = msgspec.Raw(b"%d" % CACHE_TTL_MS)
_BLOCKS = {"tools/call": "content", "prompts/get": "messages", "resources/read": "contents"}
"""Where URIs stand in a result."""


def shown(index: EndpointIndex, server: str, method: str, text: bytes, *, legacy: bool) -> tuple[bytes, Outcome]:
    """The text under this endpoint's URIs and in the caller's era, and how the attempt ended."""
    head = (_head_before if legacy and method == "tools/call" else _head).decode(text)
    outcome = _ended(head.result_type, head.is_error)
    rename = server in index.renamed and _may_name(method, text)
    read = method == "resources/read" and not legacy
    stamp = head.result_type is None and not legacy
    unstamp = head.result_type == "complete" and legacy
    flatten = isinstance(head, _HeadBefore) and bytes(memoryview(head.structured_content)[:1]) not in (b"", b"{")
    if not (rename or read or stamp or unstamp or flatten):
        return text, outcome
    found = _members.decode(text)
    if rename:
        _rename(index, server, method, found)
    if stamp:
        found["resultType"] = _COMPLETE
    if unstamp:
        del found["resultType"]
    if flatten:
        _flatten(found)
    if read and head.result_type in (None, "complete"):
        found.setdefault("ttlMs", _TTL)
        found["cacheScope"] = _PRIVATE
    return _encode(found), outcome


def outcome_of(result: dict[str, Any] | bytes) -> Outcome:
    """How an attempt ended that this is the result of."""
    if isinstance(result, bytes):
        head = _head.decode(result)
        return _ended(head.result_type, head.is_error)
    return _ended(result.get("resultType"), result.get("isError"))


def _ended(kind: object, failed: object) -> Outcome:
    if kind == "input_required":
        return "input_required"
    return "tool_error" if failed is True else "ok"


def makes_task(result: dict[str, Any] | bytes) -> bool:
    """Whether the result is the handle of a task (the tasks extension)."""
    kind = _head.decode(result).result_type if isinstance(result, bytes) else result.get("resultType")
    return kind == "task"


def asks(text: bytes) -> bool:
    """Whether the result asks the caller for input, however that is escaped."""
    return (b"input_required" in text or b"\\u" in text) and _head.decode(text).result_type == "input_required"


def read(text: bytes) -> dict[str, Any]:
    """The result as a tree, for what must look into it."""
    found: dict[str, Any] = _any.decode(text)
    return found


def _flatten(found: Members) -> None:
    """Give structured content that is no object as text, unless there is something to read already."""
    value = found.pop("structuredContent")
    if bytes(found.get("content", b"[]")).translate(None, b" \t\r\n") in (b"[]", b"null"):
        found["content"] = msgspec.Raw(_encode([{"type": "text", "text": bytes(value).decode()}]))


def _may_name(method: str, text: bytes) -> bool:
    """Whether there may be a URI in it: a block of a kind that starts with ``resource``, however it is escaped."""
    return method == "resources/read" or b'"resource' in text or b"\\u" in text


def _rename(index: EndpointIndex, server: str, method: str, found: Members) -> None:
    member = _BLOCKS.get(method)
    if member is None or member not in found:
        return

    def part(raw: msgspec.Raw) -> msgspec.Raw:
        inner = _object(raw)
        uri = None if inner is None or "uri" not in inner else _any.decode(inner["uri"])
        if inner is None or not isinstance(uri, str):
            return raw
        name = index.outward_uri(server, uri)
        return raw if name == uri else _raw({**inner, "uri": msgspec.Raw(_encode(name))})

    def block(raw: msgspec.Raw) -> msgspec.Raw:
        inner = _object(raw)
        kind = None if inner is None or "type" not in inner else _any.decode(inner["type"])
        if kind == "resource_link":
            return part(raw)
        if inner is not None and kind == "resource" and "resource" in inner:
            return _raw({**inner, "resource": part(inner["resource"])})
        return raw

    def message(raw: msgspec.Raw) -> msgspec.Raw:
        inner = _object(raw)
        if inner is None or "content" not in inner:
            return raw
        content = inner["content"]
        return _raw({**inner, "content": _each(content, block) if _is_list(content) else block(content)})

    change = {"tools/call": block, "prompts/get": message, "resources/read": part}[method]
    if _is_list(found[member]):
        found[member] = _each(found[member], change)


def _object(raw: msgspec.Raw) -> Members | None:
    return _members.decode(raw) if bytes(raw).startswith(b"{") else None


def _is_list(raw: msgspec.Raw) -> bool:
    return bytes(raw).startswith(b"[")


def _each(raw: msgspec.Raw, change: Callable[[msgspec.Raw], msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(_encode([change(element) for element in _elements.decode(raw)]))


def _raw(value: Members) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
