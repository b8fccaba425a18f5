"""`mesh lock` for strategies of packages: what the packages of this interpreter say is written down for review."""

from __future__ import annotations

from pathlib import Path

from meshplan.compiler.files import write_atomically
from meshplan.compiler.lockfile import LockError
from meshplan.compiler.locking import Outcome
from meshplan.compiler.plugins.lock import installed, plugin_names, strategy_lock_path, write_strategy_lock
from meshplan.compiler.reader import Reader
from meshplan.compiler.syntax.mesh import Mesh


def lock_strategies(root: Path, reader: Reader, mesh: Mesh, *, missing: bool, write: bool) -> list[Outcome]:
    """Record each strategy of a package that the mesh uses; only those without a record where ``missing``."""
    names = [name for name in plugin_names(mesh) if not missing or reader.read(strategy_lock_path(name)) is None]
    return [_one(root, reader, name, write=write) for name in names]


def _one(root: Path, reader: Reader, name: str, *, write: bool) -> Outcome:
    shown, where = f"strategy {name}", strategy_lock_path(name)
    try:
        lock = installed(name)
    except LockError as error:
        return Outcome(shown, "failed", str(error))
    text, before = write_strategy_lock(lock), reader.read(where)
    detail = f"{lock.package} {lock.version}"
    note = None if lock.settings is not None else "its package does not say what settings it takes"
    if before == text:
        return Outcome(shown, "unchanged", detail, note=note)
    if write:
        write_atomically(root / where, text.encode("ascii"))
    return Outcome(shown, "new" if before is None else "changed", detail, note=note)
