"""Names that mesh.yaml accepts, made from whatever a foreign file calls its servers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import Log
from meshplan.compiler.secrets import value_is_secret

VALID: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LONGEST: Final = 63


def slug(text: str) -> str:
    """Return the nearest valid name: `My Server!` gives `my-server`, and what looks like a secret `server`."""
    if value_is_secret(text):
        return "server"
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9_]+", "-", plain.lower()).strip("-_")
    if not name:
        return "server"
    return (name if name[0].isalpha() else f"s-{name}")[:LONGEST].rstrip("-_")


class Names:
    """The names of one import that are taken."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, original: str, where: str, log: Log) -> str:
        """Take a valid name for a server, with a note where it differs from the file's."""
        hidden = value_is_secret(original)
        name = wanted = original if VALID.fullmatch(original) and not hidden else slug(original)
        number = 2
        while name in self._taken:
            ending = f"-{number}"
            name, number = wanted[: LONGEST - len(ending)] + ending, number + 1
        self._taken.add(name)
        if name != original:
            why = "another server has that name" if name != wanted else "mesh.yaml does not allow that name"
            why = "that name looks like a secret" if hidden else why
            log.add("info", name, where, f"{quoted(original)} became `{name}`: {why}")
        return name

    def release(self, name: str) -> None:
        """Give back the name of a server that was left out."""
        self._taken.discard(name)
