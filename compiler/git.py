"""A mesh as it is in a commit, read through git itself; never a checkout, never the network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from meshplan.compiler.reader import Reader


class GitError(Exception):
    """The commit cannot be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class CommitReader(Reader):
    """The files below a folder of a repository, as one commit has them."""

    root: Path
    commit: str
    blobs: dict[str, str] = field(repr=False)

    def read(self, path: str) -> str | None:
        """See ``Reader``."""
        blob = self.blobs.get(path)
        if blob is None:
            return None
        return _git(self.root, "cat-file", "blob", blob).decode("utf-8", errors="replace")

    def names(self, pattern: str) -> list[str]:
        """See ``Reader``."""
        return sorted(name for name in self.blobs if PurePosixPath(name).match(pattern))


def commit_reader(root: Path, ref: str) -> CommitReader:
    """The commit that ``ref`` names exactly; raises ``GitError``, and never takes another one in its place."""
    if ref.startswith("-"):
        raise GitError(f"`{ref}` is not the name of a commit")
    try:
        commit = _git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    except GitError:
        shallow = _git(root, "rev-parse", "--is-shallow-repository").decode().strip() == "true"
        if shallow:
            raise GitError(
                f"this clone is shallow and does not have `{ref}`: fetch that commit first (`git fetch origin {ref}`, "
                "or `fetch-depth: 0` in a workflow)"
            ) from None
        raise GitError(f"there is no commit `{ref}` in this repository") from None
    prefix = _git(root, "rev-parse", "--show-prefix").decode().strip()
    listed = _git(root, "ls-tree", "-r", "-z", "--full-tree", commit, "--", prefix or ".")
    return CommitReader(root, commit, dict(_blobs(listed, prefix)))


def _blobs(listed: bytes, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in listed.decode("utf-8", errors="replace").split("\0"):
        description, _, path = entry.partition("\t")
        parts = description.split()
        if len(parts) == 3 and parts[1] == "blob" and path.startswith(prefix):
            found.append((path.removeprefix(prefix), parts[2]))
    return found


def _git(root: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *words], check=False, capture_output=True, timeout=60)
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise GitError("git did not answer within a minute") from None
    if done.returncode != 0:
        raise GitError(done.stderr.decode(errors="replace").strip().splitlines()[-1] if done.stderr else "git failed")
    return done.stdout
