"""What a policy is judged over: a compiled mesh under some labels, and the things in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from meshplan.compiler.assure.labels import Labels
from meshplan.compiler.diagnostics import Path
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.resolved import Resolved
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas.capability import CapabilityKey


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing: its logical name, how it is called in a sentence, where it is written, and what is known of it."""

    subject: str
    title: str
    path: Path
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """A mesh with every name resolved; ``labels`` have every capability."""

    mesh: Mesh
    resolved: Resolved
    locks: Mapping[str, ServerLock]
    labels: Labels
    environment: str | None

    def strategy(self, endpoint: str) -> str:
        """The kind of an endpoint's strategy."""
        given = self.mesh.virtual[endpoint].strategy
        return given if isinstance(given, str) else next(iter(given.model_dump(exclude_none=True)))

    def inner(self, key: CapabilityKey) -> list[CapabilityKey]:
        """What a tool of a binding or a workflow calls."""
        maker, _, name = key.server.partition(":")
        if maker == "binding":
            found = [
                b.operations[key.name] for b in self.resolved.bindings if b.name == name and key.name in b.operations
            ]
            return [operation.capability for operation in found]
        if maker == "workflow":
            return [step.capability for w in self.resolved.workflows if w.name == name for step in w.steps]
        return []

    def inner_tags(self, keys: Iterable[CapabilityKey]) -> set[str]:
        """The tags of what stands behind made tools."""
        return {tag for key in keys for inner in self.inner(key) for tag in self.labels[inner.id].tags}
