"""From what servers answer to lock files: which definitions are recorded, and what changed since the last time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from meshplan.compiler.draft import Draft
from meshplan.compiler.files import write_atomically
from meshplan.compiler.lockfile import (
    Locked,
    LockError,
    ServerLock,
    lock_path,
    locked,
    read_lock,
    transport_identity,
    write_lock,
)
from meshplan.compiler.lower.servers import DEFAULT_TIMEOUT_MS, transport
from meshplan.compiler.project import Project
from meshplan.compiler.render.view import visible
from meshplan.compiler.render.words import counted
from meshplan.compiler.runtime_process import probe
from meshplan.compiler.syntax.servers import AnyServer
from meshplan.schemas import jsontext, plan
from meshplan.schemas.capability import IDENTIFYING_FIELD, CapabilityKey, Kind
from meshplan.schemas.globs import glob_match

_ANSWERED: dict[Kind, str] = {
    "tool": "tools",
    "prompt": "prompts",
    "resource": "resources",
    "template": "resource_templates",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking one server."""

    server: str
    state: Literal["new", "changed", "unchanged", "failed"]
    detail: str


def lock_servers(
    project: Project,
    draft: Draft,
    *,
    only: tuple[str, ...] = (),
    missing: bool = False,
    write: bool = True,
    timeout: int = 60,
    say: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Ask servers at once and write each lock as its answer comes; ``say`` hears of each as it is done."""
    if draft.mesh is None:
        return []
    asked = {name: server for name, server in draft.mesh.servers.items() if not only or name in only}
    if missing:
        asked = {name: server for name, server in asked.items() if not _current(draft, name, server)}
    lowered = {
        name: plan.Server(transport=transport(server), timeout_ms=server.timeout or DEFAULT_TIMEOUT_MS, relays=())
        for name, server in asked.items()
    }
    outcomes: list[Outcome] = []
    for answer in probe(lowered, root=str(project.root), timeout_ms=timeout * 1000) if asked else ():
        name = str(answer["server"])
        outcome = _outcome(project, draft, name, asked[name], answer, write=write)
        say(outcome)
        outcomes.append(outcome)
    return outcomes


def _current(draft: Draft, name: str, server: AnyServer) -> bool:
    lock = draft.locks.get(name)
    return lock is not None and dict(lock.transport) == transport_identity(server)


def _outcome(
    project: Project, draft: Draft, name: str, server: AnyServer, answer: Mapping[str, Any], *, write: bool
) -> Outcome:
    if not answer["ok"]:
        return Outcome(name, "failed", f"{answer['kind']}: {visible(str(answer['message']))}")
    try:
        fresh = to_lock(name, server, answer)
    except LockError as error:
        return Outcome(name, "failed", f"refused: {error}")
    text = write_lock(fresh)
    where = _where(draft, name, server)
    path = project.root / where
    before = draft.reader.read(where)
    if before == text:
        return Outcome(name, "unchanged", _count(fresh))
    if write:
        write_atomically(path, text.encode("ascii"))
    if before is None:
        return Outcome(name, "new", _count(fresh))
    return Outcome(name, "changed", _difference(draft, name, fresh))


def _where(draft: Draft, name: str, server: AnyServer) -> str:
    """The common lock file, or the environment's own where the common one is of another transport."""
    if draft.environment is None:
        return lock_path(name)
    try:
        common = read_lock(draft.reader, name)
    except LockError:
        common = None
    shared = common is not None and dict(common.transport) == transport_identity(server)
    return lock_path(name) if shared else lock_path(name, draft.environment)


def _count(lock: ServerLock) -> str:
    kinds = [key.kind for key in lock.definitions]
    return ", ".join(counted(kinds.count(kind), kind) for kind in _ANSWERED if kind in kinds) or "nothing offered"


def _difference(draft: Draft, name: str, fresh: ServerLock) -> str:
    try:
        old = read_lock(draft.reader, name, draft.environment)
    except LockError:
        old = None
    before: Mapping[CapabilityKey, Locked] = old.definitions if old else {}
    words = [f"+ {key.kind} {key.name}" for key in fresh.definitions if key not in before]
    words += [f"- {key.kind} {key.name}" for key in before if key not in fresh.definitions]
    words += [
        f"~ {k.kind} {k.name}" for k, v in fresh.definitions.items() if k in before and before[k].digest != v.digest
    ]
    return visible(", ".join(sorted(words)[:20])) or "server information"


def to_lock(name: str, server: AnyServer, answer: Mapping[str, Any]) -> ServerLock:
    """The lock of one answer; raises ``LockError`` for definitions that cannot be told apart or named."""
    definitions: dict[CapabilityKey, Locked] = {}
    for kind, section in _ANSWERED.items():
        for definition in cast("list[dict[str, Any]]", answer.get(section) or []):
            upstream = definition.get(IDENTIFYING_FIELD[kind])
            if not isinstance(upstream, str) or not upstream:
                raise LockError(f"a {kind} has no `{IDENTIFYING_FIELD[kind]}`")
            if kind == "resource" and not any(glob_match(glob, upstream) for glob in server.resources):
                continue
            key = CapabilityKey(name, kind, upstream)
            if key in definitions:
                raise LockError(f"the server lists {kind} `{visible(upstream)}` twice")
            definitions[key] = _record(kind, upstream, definition)
    return ServerLock(
        server=name,
        transport=transport_identity(server),
        protocol_version=str(answer["protocol_version"]),
        server_info=cast("dict[str, Any]", answer.get("server_info") or {}),
        capabilities=cast("dict[str, Any]", answer.get("capabilities") or {}),
        instructions=answer.get("instructions"),
        definitions=definitions,
    )


def _record(kind: Kind, name: str, definition: dict[str, Any]) -> Locked:
    """Through our own reader once, so that what is recorded is what will be read back."""
    try:
        text = jsontext.canonical(definition)
        return locked(cast("dict[str, Any]", jsontext.parse(text, exact=True)))
    except (jsontext.JsonTextError, ValueError) as error:
        raise LockError(f"the definition of {kind} `{visible(name)}` cannot be recorded: {error}") from None
