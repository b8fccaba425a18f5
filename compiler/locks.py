"""The pass that reads mesh.lock: every server must be locked, by the transport it has now."""

from __future__ import annotations

from dataclasses import replace

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import LockError, ServerLock, lock_path, read_lock, transport_identity
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report


def locks(draft: Draft) -> tuple[Draft, Diagnostics]:
    """Read the lock of each server; one that is missing or stale is reported at the server's name."""
    if draft.mesh is None or draft.root is None:
        return draft, ()
    read: dict[str, ServerLock] = {}
    found: list[Diagnostic] = []
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
            missing = f"the server `{name}` is not locked"
            found.append(report("not-locked", span, missing, help=f"run `mesh lock`, which writes `{lock_path(name)}`"))
        else:
            read[name] = lock
            if dict(lock.transport) != transport_identity(server):
                stale = f"the lock of `{name}` was made for another transport than mesh.yaml has"
                found.append(
                    report("lock-stale", span, stale, help=f"run `mesh lock --update {name}` and review the change")
                )
    return replace(draft, locks=read), tuple(found)
