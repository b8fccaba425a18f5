"""One editor's open files and what is known of their meshes; knows nothing of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from meshplan.compiler.diagnostics import Diagnostic, Fix
from meshplan.compiler.language_server import pointing
from meshplan.compiler.language_server.analysis import Analysis, Overlay, analyse
from meshplan.compiler.language_server.completion import Item, complete
from meshplan.compiler.language_server.texts import Change, Document, Position, Range, Units, document
from meshplan.compiler.marks import MapNode
from meshplan.compiler.reader import FolderReader
from meshplan.compiler.source import read_yaml


@dataclass(slots=True)
class Buffer:
    """One open file: its text, the client's version of it, and the last tree that it parsed to."""

    document: Document
    version: int
    root: MapNode | None = None
    good: MapNode | None = None
    read: bool = False

    def parse(self, file: str) -> None:
        """Read the text, once."""
        if not self.read:
            self.root, _ = read_yaml(file, self.document.normal)
            self.good = self.good if self.root is None else self.root
            self.read = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One diagnostic of a file, with the places of its labels as file and range."""

    diagnostic: Diagnostic
    range: Range
    related: tuple[tuple[Path, Range, str], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One look at a mesh, to be taken in any thread; ``versions`` are those of the buffers that it sees."""

    root: Path
    versions: dict[Path, int]
    run: Callable[[], Analysis]


@dataclass(slots=True)
class Session:
    """Everything that lives as long as the editor's connection; ``entry`` is the name of a mesh's file."""

    entry: str
    today: Callable[[], date]
    units: Units = "utf-16"
    buffers: dict[Path, Buffer] = field(default_factory=dict[Path, Buffer])
    known: dict[Path, Analysis] = field(default_factory=dict[Path, Analysis])
    shown: dict[Path, set[Path]] = field(default_factory=dict[Path, set[Path]])

    def open(self, path: Path, text: str, version: int) -> None:
        """The client shows a file."""
        self.buffers[path] = Buffer(document(text, self.units), version)

    def change(self, path: Path, changes: Iterable[Change], version: int) -> None:
        """The client changed a file that it shows."""
        buffer = self.buffers.get(path)
        if buffer is None:
            return
        changed = buffer.document
        for change in changes:
            changed = changed.changed(change)
        self.buffers[path] = Buffer(changed, version, good=buffer.good)

    def close(self, path: Path) -> None:
        """The client no longer shows a file."""
        self.buffers.pop(path, None)

    def mesh_of(self, path: Path) -> Path | None:
        """The folder of the mesh that a file belongs to: its own where it is a mesh's file, else the nearest above."""
        if path.name == self.entry:
            return path.parent
        return next((folder for folder in path.parents if self._is_mesh(folder)), None)

    def _is_mesh(self, folder: Path) -> bool:
        entry = folder / self.entry
        return entry in self.buffers or entry.is_file()

    def _reader(self, root: Path) -> Overlay:
        inside = {path: buffer for path, buffer in self.buffers.items() if path.is_relative_to(root)}
        texts = {path.relative_to(root).as_posix(): buffer.document.text for path, buffer in inside.items()}
        return Overlay(FolderReader(root), texts)

    def job(self, root: Path) -> Job:
        """What to do to know a mesh as it is now."""
        reader, before, today = self._reader(root), self.known.get(root, Analysis()), self.today()
        versions = {path: buffer.version for path, buffer in self.buffers.items() if path.is_relative_to(root)}
        return Job(root, versions, lambda: analyse(reader, entry=self.entry, today=today, before=before))

    def accept(self, job: Job, found: Analysis) -> dict[Path, list[Finding]]:
        """Keep what was found; returns the findings of each file, and nothing for files that had some before."""
        self.known[job.root] = found
        for name, tree in found.trees.items():
            buffer = self.buffers.get(job.root / name)
            if buffer is not None and not buffer.read:
                buffer.good = tree
        findings: dict[Path, list[Finding]] = {job.root / name: [] for name in found.texts}
        texts = {name: document(text, self.units) for name, text in found.texts.items()}
        for diagnostic in found.diagnostics:
            file = job.root / diagnostic.span.file
            findings.setdefault(file, []).append(self._finding(job.root, texts, diagnostic))
        gone = self.shown.get(job.root, set()) - set(findings)
        self.shown[job.root] = set(findings)
        return {**findings, **{path: [] for path in gone}}

    def _finding(self, root: Path, texts: Mapping[str, Document], diagnostic: Diagnostic) -> Finding:
        def place(file: str, start: int, end: int) -> Range:
            text = texts.get(file)
            return Range(Position(0, 0), Position(0, 0)) if text is None else text.range(start, end)

        span = diagnostic.span
        related = tuple(
            (root / label.span.file, place(label.span.file, label.span.start, label.span.end), label.text)
            for label in diagnostic.labels
        )
        return Finding(diagnostic, place(span.file, span.start, span.end), related)

    def complete(self, path: Path, position: Position) -> list[tuple[Item, Range]]:
        """Proposals at a position, each with the range that it replaces."""
        buffer, known = self._at(path, parsed=False)
        if buffer is None:
            return []
        text = buffer.document
        items = complete(text.normal, text.offset(position), buffer.good, known)
        return [(item, text.range(item.start, item.end)) for item in items]

    def hover(self, path: Path, position: Position) -> tuple[str, Range] | None:
        """Markdown about what stands at a position."""
        buffer, known = self._at(path)
        if buffer is not None and (
            told := pointing.inside(buffer.document.normal, buffer.document.offset(position), buffer.good, known)
        ):
            return told[0], buffer.document.range(told[1], told[2])
        thing = self._thing(buffer, position)
        if buffer is None or thing is None:
            return None
        said = pointing.hover(thing, buffer.good, known)
        return None if said is None else (said, buffer.document.range(thing.start, thing.end))

    def definitions(self, path: Path, position: Position) -> list[tuple[Path, Range]]:
        """Where what is named at a position is declared or recorded."""
        buffer, known = self._at(path)
        thing, root = self._thing(buffer, position), self.mesh_of(path)
        if buffer is None or thing is None or root is None:
            return []
        reader = self._reader(root)
        targets = pointing.definitions(thing, buffer.good, known, reader)
        texts = {target.file: document(reader.read(target.file) or "", self.units) for target in targets}
        return [(root / target.file, texts[target.file].range(target.start, target.end)) for target in targets]

    def fixes(self, path: Path, touched: Range) -> list[tuple[Diagnostic, Fix, Path, Range]]:
        """The certain fixes that touch a range, each with the file and range that it replaces."""
        buffer, known = self._at(path)
        root = self.mesh_of(path)
        if buffer is None or root is None:
            return []
        file = path.relative_to(root).as_posix()
        text = buffer.document
        if known.texts.get(file) != text.text:
            return []
        found = pointing.fixable(known, file, text.offset(touched.start), text.offset(touched.end))
        return [
            (diagnostic, fix, path, text.range(fix.span.start, fix.span.end))
            for diagnostic, fix in found
            if fix.span.file == file
        ]

    def _at(self, path: Path, *, parsed: bool = True) -> tuple[Buffer | None, Analysis]:
        """A file and what is known of its mesh; not ``parsed``, the tree of the last look is good enough."""
        root = self.mesh_of(path)
        buffer = self.buffers.get(path)
        if buffer is None or root is None:
            return None, Analysis()
        if parsed or buffer.good is None:
            buffer.parse(path.relative_to(root).as_posix())
        return buffer, self.known.get(root, Analysis())

    def _thing(self, buffer: Buffer | None, position: Position) -> pointing.Thing | None:
        if buffer is None:
            return None
        return pointing.thing_at(buffer.document.normal, buffer.document.offset(position), buffer.root)
