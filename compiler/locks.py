"""The pass that reads mesh.lock: every server must be locked, by the transport it has now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import LockError, ServerLock, lock_path, transport_identity
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.marks import locate
from meshplan.compiler.openapi.recorded import operations_of
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import closest
from meshplan.compiler.syntax.servers import OpenApiServer


def locks(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the lock of each server; one that is missing or stale is reported at the server's name."""
    if draft.mesh is None or draft.root is None:
        return draft, ()
    read: dict[str, ServerLock] = {}
    found: list[Diagnostic] = []
    missing: list[str] = []
    for name, server in draft.mesh.servers.items():
        try:
            lock = read_lock(draft.reader, name, draft.environment)
        except LockError as error:
            found.append(_finding(draft, "lock-damaged", name, f"the lock of `{name}` cannot be used: {error}"))
            continue
        if lock is None:
            missing.append(name)
            continue
        read[name] = lock
        if isinstance(server, OpenApiServer):
            try:
                operations_of(lock)
            except LockError as error:
                found.append(_finding(draft, "lock-damaged", name, f"the lock of `{name}` cannot be used: {error}"))
        if dict(lock.transport) != transport_identity(server):
            stale = f"the lock of `{name}` was made for another transport than mesh.yaml has"
            found.append(_finding(draft, "lock-stale", name, stale))
    misnamed = _locked_otherwise(draft, missing)
    found += [_not_locked(draft, name, misnamed.get(name)) for name in missing]
    return replace(draft, locks=read, misnamed=frozenset(misnamed.values())), tuple(found)


def _finding(draft: Draft, slug: str, name: str, message: str, advice: str | None = None) -> Diagnostic:
    if draft.root is None:
        raise ValueError("locks are read after the mesh")
    span = locate(draft.root, ("servers", name)).key_span()
    return report(slug, span, message, help=advice or f"run `mesh lock --update {name}` and review the change")


def _not_locked(draft: Draft, name: str, meant: str | None) -> Diagnostic:
    advice = f"run `mesh lock`, which writes `{lock_path(name)}`"
    if meant:
        advice = f"did you mean `{meant}`, which is locked? otherwise {advice}"
    return _finding(draft, "not-locked", name, f"the server `{name}` is not locked", advice)


def _locked_otherwise(draft: Draft, missing: list[str]) -> dict[str, str]:
    """Servers without a lock to a name like theirs that has one and that no server has: theirs may be misspelt."""
    if not missing or draft.mesh is None:
        return {}
    locked = {PurePosixPath(path).stem for path in draft.reader.names(lock_path("*"))}
    unclaimed = locked - set(draft.mesh.servers) - draft.lost
    found = {name: closest(name, unclaimed) for name in missing} if unclaimed else {}
    return {name: meant for name, meant in found.items() if meant is not None}
