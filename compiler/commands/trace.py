"""`mesh trace`: everything that is recorded of one attempt, call or trace, and of the attempts around it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder
from meshplan.compiler.project import Project
from meshplan.compiler.render.attempts import tree


@click.command("trace")
@click.argument("wanted", metavar="ID")
@folder_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(project: Project, wanted: str, folder: Path | None, form: str) -> int:
    """Show the chain of ID, a decision, a call or a trace id: what was decided, how long it took, what came of it, and next."""
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.segment import UnreadableError
    from meshplan.schemas.ledger.traces import MAX_ENTRIES, traced

    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            rows = traced(chains, wanted)
    except UnreadableError as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    if form == "json":
        click.echo(json.dumps({"v": 1, "entries": rows}))
    elif rows:
        for text in tree(rows):
            click.echo(text)
        if len(rows) >= MAX_ENTRIES:
            click.echo(f"there may be more than these {MAX_ENTRIES} entries", err=True)
    if not rows:
        click.echo(f"nothing is recorded under `{wanted[:80]}`", err=True)
    return exits.OK if rows else exits.DIAGNOSTICS
