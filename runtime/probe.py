"""Asks servers what they offer, for the lock: every definition as the server sent it; decides and serves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import Field, ValidationError

from meshplan.runtime.offered import SECTIONS, NotMcpError, listed
from meshplan.runtime.upstream.callers import as_service
from meshplan.runtime.upstream.connection import UpstreamServer
from meshplan.runtime.upstream.failures import Kind, Unavailable
from meshplan.runtime.upstream.pool import shared_surroundings
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamRefusal, UpstreamTimeout
from meshplan.schemas.plan import Frozen, Server

CONCURRENT_SERVERS: Final = 16

ProbeResult = dict[str, Any]
"""One JSON line: ``server`` and ``ok``, then what was found, or ``kind`` and ``message``."""

_EXIT_OK, _EXIT_USAGE = 0, 64


class ProbeRequest(Frozen):
    """What ``main_probe`` reads; ``root`` is the mesh's folder, ``timeout_ms`` is for each server."""

    servers: dict[str, Server]
    root: str = "."
    private_networks: tuple[str, ...] = ()
    timeout_ms: Annotated[int, Field(gt=0)] = 60_000


async def probe(
    servers: Mapping[str, Server], root: Path, seconds: float, private_networks: tuple[str, ...] = ()
) -> AsyncGenerator[ProbeResult, None]:
    """Connect to each server, at most ``seconds`` each, and yield one result a server as each finishes."""
    results, found = anyio.create_memory_object_stream[ProbeResult](len(servers))
    limit = anyio.CapacityLimiter(CONCURRENT_SERVERS)
    async with shared_surroundings(root) as surroundings, anyio.create_task_group() as tasks, found:
        surroundings.egress.adopt(private_networks)
        async with results:
            for name, server in servers.items():
                transport, looks = as_service(server.transport) or server.transport, server.sessions == "per_client"
                upstream = UpstreamServer(name, transport, surroundings, looks=looks)
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
        sections = {s.name: await listed(upstream, s, deadline) for s in SECTIONS if s.capability in said.capabilities}
    except Unavailable as failure:
        return _failed(failure.kind, failure.reason)
    except UpstreamTimeout as failure:
        return _failed("timeout", str(failure))
    except UpstreamRefusal as failure:
        return _failed("protocol", f"refused to list with JSON-RPC error {failure.code}")
    except UpstreamFailure as failure:
        return _failed("unreachable", str(failure))
    except NotMcpError as error:
        return _failed("protocol", str(error))
    return {
        "ok": True,
        "protocol_version": said.protocol_version,
        "server_info": said.server_info,
        "capabilities": said.capabilities,
        "instructions": said.instructions,
        **{s.name: sections.get(s.name, []) for s in SECTIONS},
    }


def _failed(kind: Kind, message: str) -> ProbeResult:
    return {"ok": False, "kind": kind, "message": message}


async def main_probe(stdin_text: str, write_line: Callable[[str], None]) -> int:
    """Probe the servers that a JSON text describes, one JSON line each; returns the exit code (0, or 64: bad input)."""
    try:
        asked = ProbeRequest.model_validate_json(stdin_text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        sys.stderr.write(f"the probe's `{where}` is not understood: {first['msg']}\n")
        return _EXIT_USAGE
    found = probe(asked.servers, Path(asked.root), asked.timeout_ms / 1000, asked.private_networks)
    async with aclosing(found) as results:
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
