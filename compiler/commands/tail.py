"""`mesh tail`: attempts as they end."""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder
from meshplan.compiler.project import Project
from meshplan.compiler.render.attempts import line
from meshplan.schemas.ledger.book import Chain, Row, open_chains
from meshplan.schemas.ledger.segment import UnreadableError

POLL = 0.2
"""Seconds between two looks."""


@click.command("tail")
@folder_option
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=10, show_default=True, help="attempts to begin with"
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="go on with what ends from now on")
@click.option("--format", "form", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.pass_obj
def command(project: Project, folder: Path | None, lines: int, follow: bool, form: str) -> int:
    """Show the newest attempts, and each further one as it ends."""
    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            seen = {chain.writer: chain.span()[1] for chain in chains}
            _show([row for chain in chains for row in _newest(chain, lines)], form, lines)
        while follow:
            time.sleep(POLL)
            with open_chains(found) as chains:
                _show([row for chain in chains for row in _later(chain, seen)], form)
    except UnreadableError as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    return exits.OK


def _newest(chain: Chain, count: int) -> list[Row]:
    return list(islice((row for row in chain.newest() if row["kind"] == "outcome"), count))


def _later(chain: Chain, seen: dict[str, int]) -> list[Row]:
    rows = list(chain.rows(seen.get(chain.writer, 0) + 1))
    if rows:
        seen[chain.writer] = rows[-1]["seq"]
    return [row for row in rows if row["kind"] == "outcome"]


def _show(rows: list[Row], form: str, newest: int | None = None) -> None:
    rows.sort(key=lambda row: (row["at"], row["seq"]))
    for row in rows[-newest:] if newest else rows:
        click.echo(line(row) if form == "text" else json.dumps(row))
