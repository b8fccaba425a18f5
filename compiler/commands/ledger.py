"""`mesh ledger`: verify the ledger's chains, and export what is in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder, moment
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
        gone = bool(signed) and not any(found.glob("writer-*.db"))
        with nullcontext([]) if gone else open_chains(found) as chains:
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
@click.option("--format", "form", type=click.Choice(["jsonl", "otlp", "parquet"]), default="jsonl", show_default=True)
@click.option("--since", metavar="TIME", help="entries from this time on: `24h`, `7d`, a date or a time")
@click.option(
    "--to", "target", metavar="FILE|URL", help="a file, or for otlp a collector's `/v1/logs`; left out: stdout"
)
@click.pass_obj
def export_command(project: Project, folder: Path | None, form: str, since: str | None, target: str | None) -> int:
    """Write every entry with its hash: a JSON object a line, OTLP logs, or (with the extra `parquet`) a Parquet file."""
    from meshplan.compiler.exporting.parquet import NoParquetError
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.segment import UnreadableError

    if form == "parquet" and target is None:
        raise click.UsageError("Parquet wants a file; name one with `--to FILE`")
    now = datetime.now(UTC)
    start = "" if since is None else moment(since, now).astimezone(UTC).isoformat(timespec="milliseconds")
    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            rows = (row for chain in chains for row in chain.rows(chain.first_at(start)))
            return _export(rows, form, target)
    except (UnreadableError, NoParquetError) as error:
        click.echo(f"error: {error}", err=True)
    except BrokenPipeError:
        raise  # Whoever reads stdout has enough; click ends us quietly.
    except OSError as error:
        click.echo(f"error: `{target}` cannot be written: {error.strerror}", err=True)
    return exits.COULD_NOT_CHECK


def _export(rows: Iterator[dict[str, Any]], form: str, target: str | None) -> int:
    from meshplan.compiler.exporting.otlp import requests
    from meshplan.compiler.exporting.parquet import write_parquet
    from meshplan.compiler.runtime_process import ship

    if form == "parquet":
        click.echo(f"{write_parquet(rows, Path(target or ''))} entries", err=True)
        return exits.OK
    kept = (json.dumps({name: value for name, value in row.items() if value is not None}) for row in rows)
    lines = requests(rows) if form == "otlp" else kept
    if form == "otlp" and target is not None and target.startswith(("http://", "https://")):
        return exits.OK if ship(target, lines) else exits.COULD_NOT_CHECK
    with nullcontext(sys.stdout) if target is None else Path(target).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return exits.OK
