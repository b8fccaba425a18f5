"""Asks servers what they offer, for the lock: every definition as the server sent it; decides and serves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Final, cast

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import Field, ValidationError

from meshplan.runtime.upstream.connection import UpstreamServer
from meshplan.runtime.upstream.failures import Kind, Unavailable
from meshplan.runtime.upstream.pool import shared_surroundings
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamRefusal, UpstreamRequest, UpstreamTimeout
from meshplan.schemas.plan import Frozen, Server

CONCURRENT_SERVERS: Final = 16
MAX_PAGES: Final = 500
MAX_DEFINITIONS: Final = 20_000

ProbeResult = dict[str, Any]
"""One JSON line: ``server`` and ``ok``, then what was found, or ``kind`` and ``message``."""

_EXIT_OK, _EXIT_USAGE = 0, 64
_METHOD_NOT_FOUND = -32601


class _Section:
    """One kind of definition: where it is asked for, and what must have been declared."""

    def __init__(self, name: str, capability: str, method: str, field: str, *, optional: bool = False) -> None:
        self.name, self.capability, self.method, self.field, self.optional = name, capability, method, field, optional


_SECTIONS: Final = (
    _Section("tools", "tools", "tools/list", "tools"),
    _Section("prompts", "prompts", "prompts/list", "prompts"),
    _Section("resources", "resources", "resources/list", "resources"),
    # Servers with resources but no templates often lack the method, and no capability tells.
    _Section("resource_templates", "resources", "resources/templates/list", "resourceTemplates", optional=True),
)


class _NotMcpError(Exception):
    """A list that cannot be recorded."""


class ProbeRequest(Frozen):
    """What ``main_probe`` reads; ``root`` is the mesh's folder, ``timeout_ms`` is for each server."""

    servers: dict[str, Server]
    root: str = "."
    timeout_ms: Annotated[int, Field(gt=0)] = 60_000


async def probe(servers: Mapping[str, Server], root: Path, seconds: float) -> AsyncGenerator[ProbeResult, None]:
    """Connect to each server, at most ``seconds`` each, and yield one result a server as each finishes."""
    results, found = anyio.create_memory_object_stream[ProbeResult](len(servers))
    limit = anyio.CapacityLimiter(CONCURRENT_SERVERS)
    async with shared_surroundings(root) as surroundings, anyio.create_task_group() as tasks, found:
        async with results:
            for name, server in servers.items():
                upstream = UpstreamServer(name, server.transport, surroundings)
                tasks.start_soon(_probe_one, upstream, seconds, limit, results.clone())
        async for result in found:
            yield result


async def _probe_one(
    upstream: UpstreamServer,
    seconds: float,
    limit: anyio.CapacityLimiter,
    results: MemoryObjectSendStream[ProbeResult],
) -> None:
    async with results, limit, anyio.create_task_group() as tasks:
        tasks.start_soon(upstream.run)
        await results.send({"server": upstream.name, **await _ask(upstream, anyio.current_time() + seconds)})
        upstream.stop()


async def _ask(upstream: UpstreamServer, deadline: float) -> ProbeResult:
    try:
        said = await upstream.negotiated(deadline - anyio.current_time())
        sections = {s.name: await _list(upstream, s, deadline) for s in _SECTIONS if s.capability in said.capabilities}
    except Unavailable as failure:
        return _failed(failure.kind, failure.reason)
    except UpstreamTimeout as failure:
        return _failed("timeout", str(failure))
    except UpstreamRefusal as failure:
        return _failed("protocol", f"refused to list with JSON-RPC error {failure.code}")
    except UpstreamFailure as failure:
        return _failed("unreachable", str(failure))
    except _NotMcpError as error:
        return _failed("protocol", str(error))
    return {
        "ok": True,
        "protocol_version": said.protocol_version,
        "server_info": said.server_info,
        "capabilities": said.capabilities,
        "instructions": said.instructions,
        **{s.name: sections.get(s.name, []) for s in _SECTIONS},
    }


def _failed(kind: Kind, message: str) -> ProbeResult:
    return {"ok": False, "kind": kind, "message": message}


async def _list(upstream: UpstreamServer, section: _Section, deadline: float) -> list[dict[str, Any]]:
    """Every definition of a section, page by page."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {}
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = await _page(upstream, section, params, deadline)
        found += _definitions(page, section)
        cursor = page.get("nextCursor")
        if len(found) > MAX_DEFINITIONS:
            raise _NotMcpError(f"`{section.method}` gives more than {MAX_DEFINITIONS} definitions")
        if not isinstance(cursor, str):
            return found
        if cursor in seen:
            raise _NotMcpError(f"`{section.method}` gives the same cursor twice")
        seen.add(cursor)
        params = {"cursor": cursor}
    raise _NotMcpError(f"`{section.method}` has more than {MAX_PAGES} pages")


async def _page(upstream: UpstreamServer, section: _Section, params: dict[str, Any], deadline: float) -> dict[str, Any]:
    try:
        left = max(0.0, deadline - anyio.current_time())
        return await upstream.request(UpstreamRequest(section.method, params, left))
    except UpstreamRefusal as refusal:
        if section.optional and refusal.code == _METHOD_NOT_FOUND:
            return {section.field: []}
        raise


def _definitions(page: dict[str, Any], section: _Section) -> list[dict[str, Any]]:
    listed: Any = page.get(section.field)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in cast("list[Any]", listed)):
        raise _NotMcpError(f"the answer to `{section.method}` has no list of objects in `{section.field}`")
    return cast("list[dict[str, Any]]", listed)


async def main_probe(stdin_text: str, write_line: Callable[[str], None]) -> int:
    """Probe the servers that a JSON text describes, one JSON line each; returns the exit code (0, or 64: bad input)."""
    try:
        asked = ProbeRequest.model_validate_json(stdin_text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        sys.stderr.write(f"the probe's `{where}` is not understood: {first['msg']}\n")
        return _EXIT_USAGE
    async with aclosing(probe(asked.servers, Path(asked.root), asked.timeout_ms / 1000)) as results:
        async for result in results:
            write_line(_line(result))
    return _EXIT_OK


def _line(result: ProbeResult) -> str:
    try:
        return json.dumps(result, allow_nan=False)
    except ValueError:
        return json.dumps(
            {"server": result["server"], **_failed("protocol", "a definition holds a number that JSON has not")}
        )
