"""What is known of a mesh while it is edited: the newest findings, and the last names and places that could be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Span
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.marks import MapNode
from meshplan.compiler.pipeline import Compiled, compile_mesh
from meshplan.compiler.reader import Reader
from meshplan.compiler.resolved import KnownCapability
from meshplan.compiler.source import read_yaml
from meshplan.compiler.testing.files import SUFFIX
from meshplan.compiler.testing.load import read_tests, suite
from meshplan.schemas.capability import CapabilityKey


@dataclass(frozen=True, slots=True)
class Overlay:
    """The files of a folder, with the editor's unsaved buffers on top."""

    under: Reader
    buffers: Mapping[str, str]

    def read(self, path: str) -> str | None:
        """See ``Reader``."""
        return self.buffers[path] if path in self.buffers else self.under.read(path)

    def names(self, pattern: str) -> list[str]:
        """See ``Reader``."""
        return self.under.names(pattern)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One look at a mesh. ``diagnostics`` and ``texts`` are of now; the rest may be of the last time that it parsed."""

    diagnostics: Diagnostics = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    root: MapNode | None = None
    locks: Mapping[str, ServerLock] = field(default_factory=dict[str, ServerLock])
    capabilities: Mapping[CapabilityKey, KnownCapability] = field(default_factory=dict[CapabilityKey, KnownCapability])
    trees: Mapping[str, MapNode] = field(default_factory=dict[str, MapNode])
    """What each open file parsed to by itself."""

    def section(self, *path: str) -> MapNode | None:
        """The mapping at a path of keys."""
        node: Any = self.root
        for part in path:
            node = node.get(part) if isinstance(node, MapNode) else None
        return node if isinstance(node, MapNode) else None

    def place(self, *path: str) -> Span | None:
        """Where the key at the end of a path of keys stands."""
        holder = self.section(*path[:-1])
        return holder.at[path[-1]].key_span() if holder is not None and path[-1] in holder.at else None


def analyse(reader: Overlay, *, entry: str, today: date, before: Analysis) -> Analysis:
    """Compile, and keep of ``before`` what a document that does not parse has lost."""
    compiled = compile_mesh(reader, today=today, entry=entry)
    draft = compiled.draft
    root = draft.whole or draft.root
    read = {name: read_yaml(name, text)[0] for name, text in reader.buffers.items() if name.endswith((".yaml", ".yml"))}
    found, texts = _tests(reader, compiled, today)
    return Analysis(
        diagnostics=(*compiled.diagnostics, *found),
        texts={**texts, **compiled.texts},
        root=before.root if root is None else root,
        locks=draft.locks or before.locks,
        capabilities=before.capabilities if draft.resolved is None else draft.resolved.capabilities,
        trees={name: tree for name, tree in read.items() if tree is not None},
    )


def _tests(reader: Overlay, compiled: Compiled, today: date) -> tuple[Diagnostics, dict[str, str]]:
    """What is wrong with the access tests that are open; names only where the mesh itself has no errors.

    Tests of single environments are read, and not resolved: here is the mesh without any.
    """
    files = sorted(name for name in reader.buffers if name.endswith(SUFFIX))
    found: list[Diagnostic] = []
    for file in files:
        document, said, _ = read_tests(reader, file)
        found += said
        if document is not None and (compiled.bundle or compiled.held) and not document.tests.environments:
            found += suite(document, compiled, None, today)[1]
    return tuple(found), {file: reader.buffers[file] for file in files}
