"""From what servers answer to lock files: which definitions are recorded, and what changed since the last time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from meshplan.compiler.diff.locks import lock_changes
from meshplan.compiler.diff.model import LockChange
from meshplan.compiler.draft import Draft
from meshplan.compiler.files import write_atomically
from meshplan.compiler.lockfile import (
    Locked,
    LockError,
    Package,
    ServerLock,
    lock_path,
    locked,
    transport_identity,
    write_lock,
)
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.lower.servers import DEFAULT_TIMEOUT_MS, transport
from meshplan.compiler.openapi.ask import ask
from meshplan.compiler.openapi.document import DocumentError
from meshplan.compiler.packages import Answer, Packages
from meshplan.compiler.project import Project
from meshplan.compiler.render.view import visible
from meshplan.compiler.render.words import counted
from meshplan.compiler.resolve.effects import effects_of
from meshplan.compiler.runtime_process import probe
from meshplan.compiler.syntax.servers import AnyServer, OpenApiServer
from meshplan.schemas import jsontext, plan
from meshplan.schemas.capability import IDENTIFYING_FIELD, CapabilityKey, Kind
from meshplan.schemas.definition import definition_text
from meshplan.schemas.globs import glob_match

_ANSWERED: dict[Kind, str] = {
    "tool": "tools",
    "prompt": "prompts",
    "resource": "resources",
    "template": "resource_templates",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one server is like now, or why that is not known; ``note`` says what is not known of its package."""

    server: str
    lock: ServerLock | None
    failure: str = ""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking one server; ``changes`` are against the lock that there was."""

    server: str
    state: Literal["new", "changed", "unchanged", "failed"]
    detail: str
    changes: tuple[LockChange, ...] = ()
    note: str | None = None


def ask_servers(
    project: Project, draft: Draft, servers: Mapping[str, AnyServer], *, timeout: int = 60
) -> Iterator[Asked]:
    """Ask servers at once what they offer, and registries what their packages are; one answer each, as they come."""
    for name, server in servers.items():
        if isinstance(server, OpenApiServer):
            yield _ask_api(draft, name, server)
    lowered = {
        name: plan.Server(
            transport=transport(server),
            timeout_ms=server.timeout or DEFAULT_TIMEOUT_MS,
            relays=(),
            sessions=server.sessions or "shared",
        )
        for name, server in servers.items()
        if not isinstance(server, OpenApiServer)
    }
    if not lowered:
        return
    with Packages(servers, project.root) as packages:
        networks = draft.mesh.runtime.private_networks if draft.mesh is not None else ()
        root, within = str(project.root), timeout * 1000
        for answer in probe(lowered, root=root, timeout_ms=within, private_networks=networks):
            name = str(answer["server"])
            if not answer["ok"]:
                yield Asked(name, None, f"{answer['kind']}: {visible(str(answer['message']))}")
                continue
            try:
                fresh = to_lock(name, servers[name], answer)
            except LockError as error:
                yield Asked(name, None, f"refused: {error}")
                continue
            known = packages.answer(name)
            package = known.package or _recorded(draft, name, servers[name])
            yield Asked(name, replace(fresh, package=package), note=_note(known, package))


def _ask_api(draft: Draft, name: str, server: OpenApiServer) -> Asked:
    """An API says what it offers in its document, in the mesh's own folder."""
    try:
        answer, left_out = ask(draft.reader, server.openapi)
        lock = to_lock(name, server, answer)
    except DocumentError as error:
        return Asked(name, None, f"the document `{server.openapi}` cannot be used: {visible(str(error))}")
    except LockError as error:
        return Asked(name, None, f"refused: {error}")
    shown = "; ".join(visible(reason) for reason in left_out[:5])
    more = f", and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    note = f"{counted(len(left_out), 'operation')} left out: {shown}{more}" if left_out else None
    return Asked(name, lock, note=note)


def _recorded(draft: Draft, name: str, server: AnyServer) -> Package | None:
    """What the lock has for the same words of the same server: what is published under a version does not change."""
    try:
        lock = read_lock(draft.reader, name, draft.environment)
    except LockError:
        return None
    return lock.package if lock is not None and dict(lock.transport) == transport_identity(server) else None


def _note(known: Answer, package: Package | None) -> str | None:
    if known.reason is None:
        return None
    return known.reason + ("; the recorded integrity stays" if package is not None else "; no integrity is recorded")


def lock_servers(
    project: Project,
    draft: Draft,
    *,
    only: tuple[str, ...] = (),
    missing: bool = False,
    write: bool = True,
    timeout: int = 60,
    say: Callable[[Outcome], None] = lambda _: None,
    begin: Callable[[list[str]], None] = lambda _: None,
) -> list[Outcome]:
    """Ask servers at once and write each lock as its answer comes.

    ``begin`` hears once which servers are asked, ``say`` of each as it is done.
    """
    if draft.mesh is None:
        return []
    asked = {name: server for name, server in draft.mesh.servers.items() if not only or name in only}
    if missing:
        asked = {name: server for name, server in asked.items() if not _current(draft, name, server)}
    begin(list(asked))
    outcomes: list[Outcome] = []
    for found in ask_servers(project, draft, asked, timeout=timeout):
        outcome = _outcome(project, draft, found, asked[found.server], write=write)
        say(outcome)
        outcomes.append(outcome)
    return outcomes


def _current(draft: Draft, name: str, server: AnyServer) -> bool:
    lock = draft.locks.get(name)
    return lock is not None and dict(lock.transport) == transport_identity(server)


def _outcome(project: Project, draft: Draft, found: Asked, server: AnyServer, *, write: bool) -> Outcome:
    name, fresh = found.server, found.lock
    if fresh is None:
        return Outcome(name, "failed", found.failure)
    text = write_lock(fresh)
    where = _where(draft, name, server)
    before = draft.reader.read(where)
    if before == text:
        return Outcome(name, "unchanged", _count(fresh), note=found.note)
    old, unusable = None, None
    try:
        old = read_lock(draft.reader, name, draft.environment)
    except LockError as error:
        unusable = f"the lock that there was cannot be used: {visible(str(error))}"
    if write:
        write_atomically(project.root / where, text.encode("ascii"))
    if before is None:
        return Outcome(name, "new", _count(fresh), note=found.note)
    if unusable is not None:
        return Outcome(name, "changed", unusable, (), found.note)
    changes = changes_of(server, old, fresh) if old else ()
    detail = counted(len(changes), "change") if changes else "only its layout"
    return Outcome(name, "changed", detail, changes, found.note)


def changes_of(server: AnyServer, old: ServerLock, new: ServerLock) -> tuple[LockChange, ...]:
    """What differs between two locks of one server as mesh.yaml has it now."""
    return lock_changes({old.server: old}, {new.server: new}, effects_of(server, old), effects_of(server, new))


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
    lock = ServerLock(
        server=name,
        transport=transport_identity(server),
        protocol_version=str(answer["protocol_version"]),
        server_info=cast("dict[str, Any]", answer.get("server_info") or {}),
        capabilities=cast("dict[str, Any]", answer.get("capabilities") or {}),
        instructions=answer.get("instructions"),
        definitions=definitions,
    )
    try:
        jsontext.parse(write_lock(lock))
    except (ValueError, RecursionError) as error:
        raise LockError(f"what it says cannot be recorded: {error}") from None
    return lock


def _record(kind: Kind, name: str, definition: dict[str, Any]) -> Locked:
    """Through our own reader once, so that what is recorded is what will be read back."""
    try:
        text = definition_text(definition)
        return locked(cast("dict[str, Any]", jsontext.parse(text, exact=True)))
    except RecursionError:
        raise LockError(f"the definition of {kind} `{visible(name)}` is nested too deeply") from None
    except ValueError as error:
        raise LockError(f"the definition of {kind} `{visible(name)}` cannot be recorded: {error}") from None
