"""One mesh on disk, as the commands see it: compile it, and say what was found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshplan.compiler import exits

if TYPE_CHECKING:
    from meshplan.compiler.pipeline import Compiled
    from meshplan.compiler.reader import Reader


@dataclass(frozen=True, slots=True)
class Project:
    """The folder that holds mesh.yaml and mesh.lock, and the name of the file."""

    root: Path
    entry: str
    environment: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    def compile(self, now: str | None = None, reader: Reader | None = None) -> Compiled:
        """Compile, from ``reader`` where one is given; ``now`` is a date such as `2027-01-31`, today in UTC if left out."""
        from meshplan.compiler.pipeline import compile_mesh
        from meshplan.compiler.reader import FolderReader

        return compile_mesh(
            reader or FolderReader(self.root),
            today=parse_day(now),
            entry=self.entry,
            environment=self.environment,
            parameters=self.parameters,
        )

    def for_environment(self, environment: str | None) -> Project:
        """The same mesh in another environment."""
        return replace(self, environment=environment)

    def compile_everywhere(self, now: str | None = None) -> Compiled:
        """Compile without an environment and check every environment beside it, unless one was chosen."""
        from meshplan.compiler.reader import FolderReader
        from meshplan.compiler.variants import compile_everywhere

        if self.environment is not None:
            return self.compile(now)
        reader = FolderReader(self.root)
        return compile_everywhere(reader, today=parse_day(now), entry=self.entry, parameters=self.parameters)

    @property
    def below(self) -> str:
        """Where the mesh lies below the folder that the command was started in, which in CI is the repository's."""
        here = Path.cwd().resolve()
        return self.root.relative_to(here).as_posix() if self.root != here and self.root.is_relative_to(here) else ""

    @property
    def state(self) -> Path:
        """Where local state lies that is never reviewed: `.mesh` in the mesh's folder."""
        return self.root / ".mesh"


def parse_day(text: str | None) -> date:
    """A date, or today in UTC."""
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"`{text}` is not a date such as 2027-01-31") from None


def show(compiled: Compiled, *, colour: str = "auto", to_stdout: bool = False) -> int:
    """Print the diagnostics as text, on stderr unless they are what was asked for; return the exit code."""
    from meshplan.compiler.render.text import render_text
    from meshplan.compiler.render.view import view

    stream = sys.stdout if to_stdout else sys.stderr
    paint = colour == "always" or (colour == "auto" and stream.isatty() and "NO_COLOR" not in os.environ)
    text = render_text(view(compiled.diagnostics, compiled.texts), colour=paint)
    click.echo(text, nl=False, err=not to_stdout, color=True)
    return exits.of(compiled.diagnostics)
