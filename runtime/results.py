"""What a caller gets to see of an upstream's result: untouched, but for URIs that carry another name here and the era."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshplan.runtime.index import EndpointIndex
from meshplan.runtime.protocol import SERVER_INFO_META_KEY
from meshplan.runtime.shapes import items, members, text
from meshplan.runtime.snapshot import VERSION
from meshplan.schemas import jsontext

CACHE_TTL_MS = 0
"""A new plan may come at any moment, so nothing is promised to stay."""


def server_info(endpoint: str) -> dict[str, str]:
    """What an endpoint calls itself (``Implementation`` of MCP)."""
    return {"name": endpoint, "version": VERSION}


def own_envelope(endpoint: str) -> dict[str, Any]:
    """The members of a result that the mesh makes itself for clients of 2026-07-28, caching included."""
    return {
        "resultType": "complete",
        "ttlMs": CACHE_TTL_MS,
        "cacheScope": "private",
        "_meta": {SERVER_INFO_META_KEY: server_info(endpoint)},
    }


def list_result(endpoint: str, field: str, items: bytes, cursor: str | None, *, legacy: bool) -> bytes:
    """A list result around definitions that are serialised already; ``cursor`` leads to the next page."""
    own = {} if legacy else own_envelope(endpoint)
    more = own if cursor is None else {"nextCursor": cursor, **own}
    tail = b"," + json.dumps(more, separators=(",", ":")).encode()[1:] if more else b"}"
    return b'{"%b":[%b]%b' % (field.encode(), items, tail)


def for_era(method: str, result: dict[str, Any], *, legacy: bool) -> dict[str, Any]:
    """Stamp what 2026-07-28 requires, or take away what older revisions do not know."""
    found = dict(result)
    if legacy:
        if found.get("resultType") == "complete":
            del found["resultType"]
        if method == "tools/call" and not isinstance(found.get("structuredContent", {}), dict):
            value = found.pop("structuredContent")
            # What is no object was not structured content before 2026-07-28; it is given as text.
            found["content"] = found.get("content") or [{"type": "text", "text": jsontext.dump(value)}]
        return found
    found.setdefault("resultType", "complete")
    if method == "resources/read" and found["resultType"] == "complete":
        found.setdefault("ttlMs", CACHE_TTL_MS)
        found["cacheScope"] = "private"
    return found


def outward_uris(index: EndpointIndex, server: str, method: str, result: dict[str, Any]) -> dict[str, Any]:
    """Give the URIs in a result the names under which this endpoint shows them."""
    names = _Names(index, server)
    match method:
        case "tools/call":
            return _each(result, "content", names.block)
        case "prompts/get":
            return _each(result, "messages", names.message)
        case "resources/read":
            return _each(result, "contents", names.part)
        case _:
            return result


@dataclass(frozen=True, slots=True)
class _Names:
    """Changes URIs of one server; whatever is not shaped as expected stays as it is."""

    index: EndpointIndex
    server: str

    def part(self, value: Any) -> Any:
        """Something with a ``uri``."""
        found = members(value)
        uri = text(found.get("uri")) if found is not None else None
        return value if found is None or uri is None else {**found, "uri": self.index.outward_uri(self.server, uri)}

    def block(self, value: Any) -> Any:
        """A content block."""
        found = members(value)
        if found is None:
            return value
        if found.get("type") == "resource_link":
            return self.part(found)
        if found.get("type") == "resource" and "resource" in found:
            return {**found, "resource": self.part(found["resource"])}
        return found

    def message(self, value: Any) -> Any:
        """A prompt message, with one content block or several."""
        found = members(value)
        if found is None or "content" not in found:
            return value
        if isinstance(found["content"], list):
            return _each(found, "content", self.block)
        return {**found, "content": self.block(found["content"])}


def _each(result: dict[str, Any], name: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    found = result.get(name)
    return {**result, name: [change(item) for item in items(found)]} if isinstance(found, list) else result
