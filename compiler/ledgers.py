"""Where the ledger of a mesh lies, for the commands that read it, and how they take times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meshplan.compiler.project import Project

folder_option = click.option(
    "--ledger",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="instead of the mesh's `runtime.ledger.path`",
)

_AGO = re.compile(r"(\d{1,6})(m|h|d|w)\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def ledger_folder(project: Project, folder: Path | None) -> Path | None:
    """The ledger's folder; says on stderr why there is none."""
    if folder is not None:
        return project.root / folder
    from meshplan.compiler.project import show

    compiled = project.compile()
    bundle = compiled.bundle or compiled.held
    if bundle is None:
        show(compiled)
        click.echo("the mesh does not compile, so it does not say where its ledger is; use `--ledger`", err=True)
        return None
    settings = bundle.plan.runtime.ledger
    if settings is None:
        click.echo("the mesh has no `runtime.ledger`; add one, or use `--ledger`", err=True)
        return None
    return project.root / settings.path


def moment(text: str, now: datetime) -> datetime:
    """`24h`, `7d` (m, h, d and w ago), a date or a time in ISO 8601, in UTC unless it says otherwise."""
    ago = _AGO.match(text)
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"`{text}` is not a time: write one such as `24h`, `7d` or `2027-01-31T08:00`") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
