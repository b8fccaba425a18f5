"""`mesh ledger`: verify the ledger's chains, and export what is in them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder
from meshplan.compiler.project import Project


@click.group("ledger")
def command() -> None:
    """Verify or export the ledger."""


@command.command("verify")
@folder_option
@click.option(
    "--heads", type=click.Path(path_type=Path, dir_okay=False), help="signed heads that were exported earlier"
)
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="the public key that heads are signed with"
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def verify_command(project: Project, folder: Path | None, heads: Path | None, key: Path | None, form: str) -> int:
    """Find edits, gaps, a rewritten or truncated end and files that were put back, up to the last exported head."""
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.heads import HEADS, PUBLIC_KEY, HeadError, public_key, read_heads
    from meshplan.schemas.ledger.segment import UnreadableError
    from meshplan.schemas.ledger.verify import Checked, missing, verify

    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        signed = list(read_heads(heads or found / HEADS, public_key(key or found / PUBLIC_KEY)))
        with open_chains(found) as chains:
            checked = [Checked() for _ in chains]
            findings = [
                *missing(chains, signed),
                *(one for chain, count in zip(chains, checked, strict=True) for one in verify(chain, signed, count)),
            ]
            names = {chain.writer: chain.name for chain in chains}
    except (UnreadableError, HeadError) as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK if isinstance(error, UnreadableError) else exits.TRUST
    if form == "json":
        counts = {name: asdict(count) for name, count in zip(names.values(), checked, strict=True)}
        click.echo(json.dumps({"v": 1, "chains": counts, "findings": [asdict(one) for one in findings]}))
    else:
        for one in findings:
            place = "" if one.seq is None else f" #{one.seq}"
            click.echo(f"{one.code}: {names.get(one.writer, one.writer)}{place}: {one.message}")
        for name, count in zip(names.values(), checked, strict=True):
            click.echo(f"{name}: {count.entries} entries, {count.heads} signed heads, proven up to #{count.proven}")
    return exits.TRUST if findings else exits.OK


@command.command("export")
@folder_option
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@click.option("--since", metavar="TIME", default="", help="entries from this time on, UTC in ISO 8601")
@click.pass_obj
def export_command(project: Project, folder: Path | None, form: str, since: str) -> int:
    """Print every entry, one JSON object a line, with its hash."""
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.segment import UnreadableError

    del form
    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            for chain in chains:
                for row in chain.rows(chain.first_at(since)):
                    click.echo(json.dumps({name: value for name, value in row.items() if value is not None}))
    except UnreadableError as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    return exits.OK
