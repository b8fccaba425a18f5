"""What the supervisor makes before it forks, and every process of the runtime then has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.app import Source
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import Secrets
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.supervisor.board import Board
from meshplan.runtime.supervisor.standings import Standings


@dataclass(frozen=True, slots=True)
class Setup:
    """``folder`` is private to this user; ``snapshot`` is the plan as it was at the start, shared by copy-on-write.

    ``own_key`` seals what only this runtime reads. ``lifeline`` is the reading end of a pipe whose other end only the
    supervisor has: it closes when that ends. ``board`` and ``standings`` are memory that all processes share.
    """

    source: Source
    binding: Binding
    local_secret: str | None
    local: bool
    workers: int
    folder: Path
    own_key: bytes
    lifeline: int
    snapshot: Snapshot | None
    admin: AdminPort
    board: Board
    standings: Standings

    @property
    def keeper(self) -> Path:
        """The keeper's socket."""
        return self.folder / "keeper"

    def worker(self, name: str) -> Path:
        """A worker's socket; only names that we make are asked for."""
        return self.folder / f"worker-{name}"

    def sealer(self) -> Sealer:
        """Seals and opens with the keys that all the processes have."""
        return Sealer(Secrets(self.source.root), self.own_key)
