"""A small world for compiler tests: locked servers, and a mesh to change one section of."""

from __future__ import annotations

import json
import re
from datetime import date

from meshplan.compiler.lockfile import ServerLock, lock_path, locked, transport_identity, write_lock
from meshplan.compiler.pipeline import Compiled, compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax import read_mesh
from meshplan.schemas.capability import CapabilityKey

TODAY = date(2026, 11, 22)

BASE = """\
mesh: v1
name: acme
servers:
  notes: {stdio: [python, notes.py]}
virtual:
  desk:
    include:
      - {server: notes, tools: {effect: read}}
identity:
  teams: {writers: {}}
roles:
  reader:
    allow: [{server: notes, tools: {effect: read}}]
grants:
  - {role: reader, to: [{team: writers}]}
"""


def tool(name, properties=None, required=(), **annotations):
    schema = {"type": "object", "properties": properties or {}}
    if required:
        schema["required"] = list(required)
    definition = {"name": name, "description": f"the tool {name}", "inputSchema": schema}
    return definition | ({"annotations": annotations} if annotations else {})


READ = {"readOnlyHint": True}
WRITE = {"readOnlyHint": False, "destructiveHint": False}
DESTROY = {"destructiveHint": True}
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}

DEFINITIONS = {
    "notes": {
        "tool": [
            tool("list_notes", {"tag": TEXT, "limit": WHOLE}, **READ),
            tool("get_note", {"id": WHOLE}, ["id"], **READ),
            tool("search", {"query": TEXT}, ["query"], **READ),
            tool("create_note", {"title": TEXT, "body": TEXT}, ["title"], **WRITE),
            tool("delete_note", {"id": WHOLE}, ["id"], **DESTROY),
        ],
        "prompt": [{"name": "summarize_note", "arguments": [{"name": "id", "required": True}]}],
        "resource": [{"uri": "note://all", "name": "all notes"}],
        "template": [{"uriTemplate": "note://{id}", "name": "one note"}],
    },
    "tickets": {
        "tool": [
            tool("search", {"query": TEXT, "status": {"type": "string", "enum": ["open", "closed"]}}, **READ),
            tool("get_ticket", {"id": WHOLE}, ["id"], **READ),
            tool("create_ticket", {"title": TEXT, "owner": TEXT, "urgent": {"type": "boolean"}}, ["title"], **WRITE),
            tool("close_ticket", {"id": WHOLE}, ["id"]),
        ],
        "prompt": [{"name": "draft_reply"}],
        "template": [{"uriTemplate": "ticket://{id}", "name": "one ticket"}],
    },
}


def lock_texts(text):
    """The lock files that a mesh would have: for every server that this module knows."""
    root, _ = read_yaml("mesh.yaml", text)
    mesh = read_mesh(root)[0] if root is not None else None
    if mesh is None:
        return {}
    return {lock_path(name): lock_text(name, server) for name, server in mesh.servers.items() if name in DEFINITIONS}


def lock_text(name, server):
    identity = transport_identity(server)
    if "other" in json.dumps(identity):
        identity = {"kind": "http", "url": "http://127.0.0.1:9/reviewed"}
    definitions = {
        CapabilityKey(name, kind, d.get("uri") or d.get("uriTemplate") or d["name"]): locked(d)
        for kind, found in DEFINITIONS[name].items()
        for d in found
    }
    info = {"name": name, "version": "1"}
    capabilities = {"tools": {}, "completions": {}}
    return write_lock(ServerLock(name, identity, "2026-07-28", info, capabilities, None, definitions))


def with_sections(changed, base=BASE):
    """``base`` with the top-level sections of ``changed`` in place of its own."""
    if "mesh: v1" in changed:
        return changed
    names = set(re.findall(r"^([a-z_]+):", changed, re.MULTILINE))
    kept = "".join(
        section
        for section in re.split(r"^(?=[a-z_]+:)", base, flags=re.MULTILINE)
        if section.split(":")[0] not in names
    )
    return kept + changed


def compile_text(text, today=TODAY, **files) -> Compiled:
    locks = lock_texts(text)
    return compile_mesh(MemoryReader({"mesh.yaml": text, **locks, **files}), today=today)
