"""What a server lists, page by page and within bounds: for the lock, and for comparing it with the lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import anyio

from meshplan.runtime.asks import ALL
from meshplan.runtime.errors import METHOD_NOT_FOUND
from meshplan.runtime.upstream.port import Upstream, UpstreamRefusal, UpstreamRequest
from meshplan.schemas.capability import Kind

MAX_PAGES: Final = 500
MAX_DEFINITIONS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of definition: where it is asked for, and what must have been declared."""

    name: str
    kind: Kind
    capability: str
    method: str
    field: str
    optional: bool = False


SECTIONS: Final = (
    Section("tools", "tool", "tools", "tools/list", "tools"),
    Section("prompts", "prompt", "prompts", "prompts/list", "prompts"),
    Section("resources", "resource", "resources", "resources/list", "resources"),
    # Servers with resources but no templates often lack the method, and no capability tells.
    Section(
        "resource_templates", "template", "resources", "resources/templates/list", "resourceTemplates", optional=True
    ),
)


class NotMcpError(Exception):
    """A list that cannot be recorded."""


async def listed(upstream: Upstream, section: Section, deadline: float) -> list[dict[str, Any]]:
    """Every definition of a section until ``deadline`` (event loop seconds); raises ``UpstreamFailure``, ``NotMcpError``."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = await _page(upstream, section, params, deadline)
        found += _definitions(page, section)
        cursor = page.get("nextCursor")
        if len(found) > MAX_DEFINITIONS:
            raise NotMcpError(f"`{section.method}` gives more than {MAX_DEFINITIONS} definitions")
        if not isinstance(cursor, str):
            return found
        if cursor in seen:
            raise NotMcpError(f"`{section.method}` gives the same cursor twice")
        seen.add(cursor)
        params = {"cursor": cursor}
    raise NotMcpError(f"`{section.method}` has more than {MAX_PAGES} pages")


async def _page(upstream: Upstream, section: Section, params: dict[str, Any], deadline: float) -> dict[str, Any]:
    try:
        left = max(0.0, deadline - anyio.current_time())
        return await upstream.request(UpstreamRequest(section.method, params, left, client_capabilities=ALL))
    except UpstreamRefusal as refusal:
        if section.optional and refusal.code == METHOD_NOT_FOUND:
            return {section.field: []}
        raise


def _definitions(page: dict[str, Any], section: Section) -> list[dict[str, Any]]:
    listed: Any = page.get(section.field)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in cast("list[Any]", listed)):
        raise NotMcpError(f"the answer to `{section.method}` has no list of objects in `{section.field}`")
    return cast("list[dict[str, Any]]", listed)
