"""mesh.lock: the recorded definitions of each server's capabilities; read and written here, compared nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from meshplan.compiler.syntax.servers import AnyServer, HttpServer, OpenApiServer, StdioServer
from meshplan.schemas import jsontext
from meshplan.schemas.capability import KINDS, CapabilityKey, Kind

LOCK_FORMAT = "mesh.dev/lock/v1"
FOLDER = "mesh.lock"
SECTIONS: dict[Kind, str] = {"tool": "tools", "prompt": "prompts", "resource": "resources", "template": "templates"}


Ecosystem = Literal["npm", "pypi"]


class LockError(ValueError):
    """A lock file that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One recorded definition: its canonical text, the digest of that text, and the parsed value."""

    digest: str
    text: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Package:
    """What a registry says of the package that a stdio server is started from.

    ``integrity`` is npm's `sha512-…` (Subresource Integrity), or `sha256:…` of the one PyPI ``file`` that fits here.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    integrity: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class ServerLock:
    """What is recorded of one server. ``transport`` is its identity: URL, or argv and folder; never a secret."""

    server: str
    transport: Mapping[str, Any]
    protocol_version: str
    server_info: Mapping[str, Any]
    capabilities: Mapping[str, Any]
    instructions: str | None
    definitions: Mapping[CapabilityKey, Locked] = field(default_factory=dict[CapabilityKey, Locked])
    package: Package | None = None

    def names(self, kind: Kind) -> list[str]:
        """The upstream names of a kind, sorted."""
        return sorted(key.name for key in self.definitions if key.kind == kind)


def lock_path(server: str, environment: str | None = None) -> str:
    """The lock file of a server, relative to the mesh's root; an environment with another transport has its own."""
    return f"{FOLDER}/{environment}/{server}.json" if environment else f"{FOLDER}/{server}.json"


def transport_identity(server: AnyServer) -> dict[str, Any]:
    """What makes a server the one that was reviewed."""
    match server:
        case HttpServer():
            return {"kind": "http", "url": server.http}
        case StdioServer():
            return {"kind": "stdio", "argv": list(server.stdio), "cwd": server.cwd}
        case OpenApiServer():
            return {"kind": "openapi", "document": server.openapi, "url": server.url}
        case _:
            return {"kind": "tunnel"}


def locked(definition: Mapping[str, Any], *, plain: bool = False) -> Locked:
    """Record one definition; ``plain`` promises that its numbers are whole."""
    text = jsontext.canonical(definition, plain=plain)
    return Locked(jsontext.digest(text), text, definition)


def write_lock(lock: ServerLock) -> str:
    """The text of a lock file: sorted, indented for review, every character beyond ASCII escaped."""
    body: dict[str, Any] = {
        "format": LOCK_FORMAT,
        "server": lock.server,
        "transport": lock.transport,
        "protocol_version": lock.protocol_version,
        "server_info": lock.server_info,
        "capabilities": lock.capabilities,
        "instructions": lock.instructions,
    }
    if lock.package is not None:
        body["package"] = {name: value for name, value in asdict(lock.package).items() if value is not None}
    for kind in KINDS:
        body[SECTIONS[kind]] = {
            key.name: {"digest": entry.digest, "definition": entry.definition}
            for key, entry in sorted(lock.definitions.items())
            if key.kind == kind
        }
    return json.dumps(body, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
