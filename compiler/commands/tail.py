"""`mesh tail`: attempts as they end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder
from meshplan.compiler.project import Project
from meshplan.compiler.render.attempts import line
from meshplan.schemas.ledger.book import Chain, Row, open_chains
from meshplan.schemas.ledger.entry import DIMENSIONS
from meshplan.schemas.ledger.segment import UnreadableError

POLL = 0.2
"""Seconds between two looks."""


@click.command("tail")
@folder_option
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=10, show_default=True, help="attempts to begin with"
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="go on with what ends from now on")
@click.option(
    "--only",
    "wanted",
    multiple=True,
    metavar="DIMENSION=GLOB",
    help="only attempts such as `outcome=denied`; repeatable",
)
@click.option("--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.pass_obj
def command(project: Project, folder: Path | None, lines: int, follow: bool, wanted: tuple[str, ...], form: str) -> int:
    """Show the newest attempts, and each further one as it ends."""
    only = [_only(text) for text in wanted]
    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            seen = {chain.writer: chain.span()[1] for chain in chains}
            newest = [row for chain in chains for row in islice(_matching(chain.newest(), only), lines)]
            _show(newest, form, lines)
        while follow:
            time.sleep(POLL)
            with open_chains(found) as chains:
                _show([row for chain in chains for row in _later(chain, seen, only)], form)
    except UnreadableError as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    return exits.OK


def _only(text: str) -> tuple[str, str]:
    """A dimension and a glob of its values."""
    name, equals, glob = text.partition("=")
    if not equals or name not in ("team", *DIMENSIONS):
        known = ", ".join(("team", *DIMENSIONS))
        raise click.UsageError(f"`{text}` is not DIMENSION=GLOB; the dimensions are {known}")
    return name, glob


def _matching(rows: Iterable[Row], only: list[tuple[str, str]]) -> Iterator[Row]:
    """Outcomes; of somebody in several teams it is enough that one matches."""
    for row in rows:
        if row["kind"] == "outcome" and all(_matches(row, name, glob) for name, glob in only):
            yield row


def _matches(row: Row, name: str, glob: str) -> bool:
    values = str(row["teams"] or "").split(",") if name == "team" else [str(row[name] or "")]
    return any(fnmatchcase(value, glob) for value in values)


def _later(chain: Chain, seen: dict[str, int], only: list[tuple[str, str]]) -> list[Row]:
    rows = list(chain.rows(seen.get(chain.writer, 0) + 1))
    if rows:
        seen[chain.writer] = rows[-1]["seq"]
    return list(_matching(rows, only))


def _show(rows: list[Row], form: str, newest: int | None = None) -> None:
    rows.sort(key=lambda row: (row["at"], row["seq"]))
    for row in rows if newest is None else rows[len(rows) - min(newest, len(rows)) :]:
        click.echo(line(row) if form == "text" else json.dumps(row))
