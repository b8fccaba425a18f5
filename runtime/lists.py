"""The four lists: joined from bytes of the plan, and for resources merged with what live servers list right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from meshplan.runtime.active import Upstreams
from meshplan.runtime.call import Call
from meshplan.runtime.errors import invalid
from meshplan.runtime.results import list_result
from meshplan.runtime.shapes import items, members, text
from meshplan.runtime.snapshot import View
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamRequest
from meshplan.runtime.uris import UriRefusedError, normalise_live, outward
from meshplan.schemas import jsontext
from meshplan.schemas.capability import Kind
from meshplan.schemas.surface import LIST_FIELD

LIST_KINDS: Mapping[str, Kind] = {
    "tools/list": "tool",
    "prompts/list": "prompt",
    "resources/list": "resource",
    "resources/templates/list": "template",
}
LIVE_TIMEOUT = 5.0
"""Seconds that a list waits for live servers; who takes longer is left out."""
LIVE_PAGES = 50
"""Pages read of one live server."""


async def answer(view: View, call: Call, upstreams: Upstreams) -> bytes:
    """The serialised result of one of the list methods, for what this caller may see."""
    kind = LIST_KINDS[call.method]
    try:
        page, cursor = view.listing(kind, legacy=call.legacy).page(call.params.get("cursor"))
    except LookupError:
        raise invalid("the cursor is not one of this list as it is now", "invalid_cursor") from None
    if kind == "resource" and view.index.live and cursor is None:
        page = b",".join(filter(None, (page, *await _live(view, call, upstreams))))
    return list_result(view.index.name, LIST_FIELD[kind], page, cursor, legacy=call.legacy)


async def _live(view: View, call: Call, upstreams: Upstreams) -> list[bytes]:
    """What each live server lists, in the order of their names."""
    found: dict[str, list[bytes]] = {}

    async def one(server: str) -> None:
        with anyio.move_on_after(min(LIVE_TIMEOUT, view.index.timeouts[server])):
            found[server] = await _resources(view, server, call, upstreams)

    async with anyio.create_task_group() as group:
        for server in view.index.live:
            group.start_soon(one, server)
    return [item for server in view.index.live for item in found.get(server, [])]


async def _resources(view: View, server: str, call: Call, upstreams: Upstreams) -> list[bytes]:
    found: list[bytes] = []
    params: dict[str, Any] = {}
    for _ in range(LIVE_PAGES):
        request = UpstreamRequest(
            "resources/list", params, LIVE_TIMEOUT, client_info=call.client_info, behalf=call.caller.behalf
        )
        try:
            page = await upstreams.get(server).request(request)
        except (UpstreamFailure, KeyError):
            return found
        shown = [_shown(view, server, item) for item in items(page.get("resources"))]
        found += [item for item in shown if item is not None]
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str):
            break
        params = {"cursor": cursor}
    return found


def _shown(view: View, server: str, item: Any) -> bytes | None:
    """One live resource under its name here; ``None`` where it is declared anyway, not granted, or not serialisable."""
    listed = members(item) or {}
    uri = text(listed.get("uri"))
    if uri is None or (server, uri) in view.index.upstream_resources:
        return None
    try:
        normal = normalise_live(uri)
        if not view.judge_live(server, normal).allowed:
            return None
        return jsontext.dump({**listed, "uri": outward(server, normal)}).encode()
    except (UriRefusedError, ValueError):
        return None
