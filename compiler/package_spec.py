"""Which registry package a stdio server's argv starts; reads words, asks nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meshplan.compiler.importers.pins import package, program
from meshplan.compiler.lockfile import Ecosystem

_PYTHON: Final = frozenset(("uvx", "uv", "pipx"))
_NPM_NAME: Final = re.compile(r"(?:@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*")
_PYPI_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_EXTRAS: Final = re.compile(r"\[[A-Za-z0-9._, -]*\]")
_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:[-+.][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class Spec:
    """The package that an argv names; ``version`` is ``None`` unless it is exactly one."""

    ecosystem: Ecosystem
    name: str
    version: str | None
    written: str


def spec_of(argv: Sequence[str]) -> Spec | None:
    """The registry package that a runner such as npx or uvx would start, ``None`` for anything else."""
    written = package(argv)
    if written is None:
        return None
    if program(argv) in _PYTHON:
        name, _, version = _EXTRAS.sub("", written).replace("==", "@", 1).partition("@")
        name, version = name.strip(), version.strip()
        fits = _PYPI_NAME.fullmatch(name)
    else:
        at = written.find("@", 1)
        name, version = (written, "") if at < 0 else (written[:at], written[at + 1 :])
        fits = _NPM_NAME.fullmatch(name)
    if not fits:
        return None
    return Spec(
        "pypi" if program(argv) in _PYTHON else "npm", name, version if _VERSION.fullmatch(version) else None, written
    )


def same_but_for_version(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether two argvs start one package, by the same words but for its version."""
    old, new = spec_of(before), spec_of(after)
    if old is None or new is None or (old.ecosystem, old.name) != (new.ecosystem, new.name):
        return False
    return [old.name if word == old.written else word for word in before] == [
        new.name if word == new.written else word for word in after
    ]
