"""What the two sides of a diff may be named by: the working tree, a commit, a plan file, or a channel of a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meshplan.compiler.diff.compare import Compared
from meshplan.compiler.diff.lockplaces import LockPlaces
from meshplan.compiler.git import GitError, commit_reader
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project
from meshplan.compiler.reader import FolderReader, Reader
from meshplan.compiler.store import bundle_at, current
from meshplan.compiler.variants import environments
from meshplan.schemas.bundle import Bundle, PlanRefusedError, unpack
from meshplan.schemas.store import CHANNEL, DEFAULT_CHANNEL

TREE = "."


class SideError(Exception):
    """A side that cannot be had; ``code`` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Source:
    """A named side: sources to compile for each environment, or one plan that is what it is."""

    label: str
    reader: Reader | None
    bundle: Bundle | None

    def environments(self, project: Project) -> list[str]:
        """The environments that its sources declare."""
        if self.reader is None:
            return []
        return environments(project.compile(reader=self.reader))


def source(project: Project, name: str) -> Source:
    """Find a side by its name; raises ``SideError``."""
    if name == TREE:
        return Source("the working tree", FolderReader(project.root), None)
    if name.startswith("git:"):
        try:
            found = commit_reader(project.root, name.removeprefix("git:"))
        except GitError as error:
            raise SideError(str(error), 7) from None
        return Source(f"{name} ({found.commit[:12]})", found, None)
    path, _, channel = name.removeprefix("store:").partition("@")
    folder = project.root / path
    try:
        if folder.is_dir():
            return Source(name, None, _published(folder, channel or DEFAULT_CHANNEL))
        if folder.is_file():
            return Source(name, None, unpack(folder.read_bytes()))
    except PlanRefusedError as error:
        raise SideError(f"`{name}` is refused ({error.code}): {error}", 6) from None
    message = f"there is no `{name}`: give `.`, `git:REF`, a plan file, or the folder of a store (`DIR@CHANNEL`)"
    raise SideError(message, 7)


def _published(store: Path, channel: str) -> Bundle:
    pointer = current(store, channel) if CHANNEL.match(channel) else None
    if pointer is None:
        raise PlanRefusedError("missing", f"the store has no `{channel}.json`")
    return bundle_at(store, pointer)


def compiled_side(project: Project, side: Source, environment: str | None) -> tuple[Compared | None, Compiled | None]:
    """The plan of a side for one environment; for sources also what compiling said, and no plan where that is errors.

    A plan that only its own guards refuse can be compared; it is never published.
    """
    if side.bundle is not None:
        return Compared(side.label, side.bundle, None), None
    compiled = project.for_environment(environment).compile(reader=side.reader)
    bundle = compiled.bundle or compiled.held
    if bundle is None:
        return None, compiled
    places = LockPlaces(compiled.draft.reader, environment)
    return Compared(side.label, bundle, compiled.draft.locks, places), compiled
