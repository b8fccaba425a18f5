"""The pass that reads mesh.lock: every server must be locked, by the transport it has now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import LockError, ServerLock, lock_path, read_lock, transport_identity
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import closest


def locks(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the lock of each server; one that is missing or stale is reported at the server's name."""
    if draft.mesh is None or draft.root is None:
        return draft, ()
    read: dict[str, ServerLock] = {}
    found: list[Diagnostic] = []
    misnamed: set[str] = set()
    for name, server in draft.mesh.servers.items():
        span = locate(draft.root, ("servers", name)).key_span()
        try:
            lock = read_lock(draft.reader, name, draft.environment)
        except LockError as error:
            message = f"the lock of `{name}` cannot be used: {error}"
            found.append(
                report("lock-damaged", span, message, help=f"run `mesh lock --update {name}` and review the change")
            )
            continue
        if lock is None:
            meant = _locked_otherwise(draft, name)
            misnamed |= {meant} if meant else set()
            advice = (
                f"did you mean `{meant}`, which is locked?"
                if meant
                else f"run `mesh lock`, which writes `{lock_path(name)}`"
            )
            found.append(report("not-locked", span, f"the server `{name}` is not locked", help=advice))
        else:
            read[name] = lock
            if dict(lock.transport) != transport_identity(server):
                stale = f"the lock of `{name}` was made for another transport than mesh.yaml has"
                found.append(
                    report("lock-stale", span, stale, help=f"run `mesh lock --update {name}` and review the change")
                )
    return replace(draft, locks=read, misnamed=frozenset(misnamed)), tuple(found)


def _locked_otherwise(draft: Draft, name: str) -> str | None:
    """A name like ``name`` that has a lock and that no server has: the server's name is misspelt, and not the rest."""
    locked = {PurePosixPath(path).stem for path in draft.reader.names(lock_path("*"))}
    declared = draft.mesh.servers if draft.mesh else {}
    return closest(name, locked - set(declared) - draft.lost)
