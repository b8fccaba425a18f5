"""Imported meshes for tests: every configuration that we have, and locks as if each server had answered."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from meshes import READ, TEXT, WRITE, tool

from meshplan.compiler.importers import read, render_mesh
from meshplan.compiler.lockfile import ServerLock, lock_path, locked, transport_identity, write_lock
from meshplan.compiler.pipeline import Compiled, compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.syntax.servers import OpenApiServer
from meshplan.schemas.capability import OPERATION_META, CapabilityKey

CONFIGS = sorted((Path(__file__).parent / "importers/configs").glob("*/*"))
TODAY = date(2026, 11, 22)
TOOLS = [tool("find", {"query": TEXT}, ["query"], **READ), tool("change", {"id": TEXT}, ["id"], **WRITE)]


def rendered(path: Path) -> str:
    found = read(path.parent.name, path.name, path.read_text(encoding="utf-8"))
    return render_mesh(found.servers, found.notes, name=path.stem)


def compiled(text: str, locks: dict[str, str] | None = None) -> Compiled:
    return compile_mesh(MemoryReader({"mesh.yaml": text, **(locks or {})}), today=TODAY)


def _request(definition: dict[str, Any]) -> dict[str, Any]:
    """The HTTP request that a tool of an API would be."""
    names = definition["inputSchema"]["properties"]
    arguments = {name: {"place": "query", "name": name, "style": "form", "explode": True} for name in names}
    return {"method": "GET", "path": f"/{definition['name']}", "arguments": arguments, "body": None}


def synthetic_locks(found: Compiled) -> dict[str, str]:
    """A lock of every server, each with a reading and a writing tool under names of its own."""
    assert found.draft.mesh is not None, found.diagnostics
    locks = {}
    for number, (name, server) in enumerate(found.draft.mesh.servers.items()):
        mine = [{**definition, "name": f"{definition['name']}_{number}"} for definition in TOOLS]
        if isinstance(server, OpenApiServer):
            mine = [{**definition, "_meta": {OPERATION_META: _request(definition)}} for definition in mine]
        definitions = {CapabilityKey(name, "tool", d["name"]): locked(d) for d in mine}
        lock = ServerLock(name, transport_identity(server), "2026-07-28", {}, {"tools": {}}, None, definitions)
        locks[lock_path(name)] = write_lock(lock)
    return locks
