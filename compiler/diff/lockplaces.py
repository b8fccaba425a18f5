"""Where in a lock file an entry is written: found when it is asked for, in the text that `mesh lock` lays out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from meshplan.compiler.diff.model import Place
from meshplan.compiler.lockfile import SECTIONS, lock_path
from meshplan.compiler.reader import Reader
from meshplan.schemas.capability import CapabilityKey

_LINE = re.compile(r'^(  |    )("(?:[^"\\]|\\.)*"):')


@dataclass(frozen=True, slots=True)
class LockPlaces:
    """The lock files of one side of a diff, for one environment."""

    reader: Reader
    environment: str | None
    _known: dict[str, tuple[str, dict[tuple[str, str], int]]] = field(
        default_factory=dict[str, tuple[str, dict[tuple[str, str], int]]]
    )

    def capability(self, name: str) -> Place | None:
        """The entry of a capability, by its id; ``None`` where the server has no lock file."""
        key = CapabilityKey.of(name)
        return self._place(key.server, SECTIONS[key.kind], key.name)

    def server(self, name: str, part: str) -> Place | None:
        """A part of what is said of a server, such as `transport` or `package`."""
        return self._place(name, part, "")

    def _place(self, server: str, section: str, name: str) -> Place | None:
        if server not in self._known:
            self._known[server] = self._read(server)
        path, lines = self._known[server]
        return Place(path, lines.get((section, name), 1), 1) if path else None

    def _read(self, server: str) -> tuple[str, dict[tuple[str, str], int]]:
        paths = ([lock_path(server, self.environment)] if self.environment else []) + [lock_path(server)]
        for path in paths:
            text = self.reader.read(path)
            if text is not None:
                return path, dict(_entries(text))
        return "", {}


def _entries(text: str) -> Iterator[tuple[tuple[str, str], int]]:
    """(section, name) to line; a section itself has an empty name."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        if found is not None:
            name = json.loads(found[2])
            section = name if found[1] == "  " else section
            yield (section, "" if found[1] == "  " else name), number
