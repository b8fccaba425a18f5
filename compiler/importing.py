"""Configuration files from disk to what the importers make of them, and what is said of it on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from meshplan.compiler.importers import FORMATS, Import, ImportProblem, Note, detect, read
from meshplan.compiler.render.view import visible


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read, by the name it was given with."""

    path: Path
    format: str
    found: Import


class ImportFailedError(Exception):
    """One file that cannot be read; the text is `FILE:LINE:COL: message; help` and quotes nothing of the file."""

    def __init__(self, path: Path, problem: ImportProblem) -> None:
        advice = f"; {problem.help}" if problem.help else ""
        super().__init__(visible(f"{path}:{problem.line}:{problem.column}: {problem.message}{advice}"))
        self.path = path
        self.problem = problem


def read_sources(paths: Sequence[Path], form: str | None) -> list[Source]:
    """Read every file, each in the format that it is in or that ``form`` names; raises ``ImportFailedError``."""
    return [_read(path, form) for path in paths]


def _read(path: Path, form: str | None) -> Source:
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
        known = form or detect("/".join(path.absolute().parts[-3:]), text)
        if known is not None:
            return Source(path, known, read(known, path.name, text))
        advice = "name its format with `--from`: " + ", ".join(known.id for known in FORMATS)
        problem = ImportProblem(1, 1, "this is no configuration that is known here", advice)
    except OSError as error:
        problem = ImportProblem(1, 1, f"the file cannot be read ({type(error).__name__})")
    except ImportProblem as found:
        problem = found
    raise ImportFailedError(path, problem)


def tell_sources(sources: Iterable[Source]) -> None:
    """Say which files were read, and as what."""
    for source in sources:
        click.echo(f"read {visible(str(source.path))} ({source.format})", err=True)


def tell_notes(notes: Iterable[Note]) -> None:
    """Say everything that the author should know."""
    for note in notes:
        where = f"{note.server}: " if note.server else ""
        advice = f"; {visible(note.help)}" if note.help else ""
        click.echo(f"{note.level}: {where}{visible(note.message)}{advice}", err=True)
