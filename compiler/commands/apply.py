"""`mesh apply`: publish a plan to a store, from which runtimes take it."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, show
from meshplan.compiler.store import StaleError, publish
from meshplan.schemas.bundle import Bundle, PlanRefusedError, unpack
from meshplan.schemas.store import CHANNEL, DEFAULT_CHANNEL


@click.command("apply")
@click.argument("plan_file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--store", type=click.Path(path_type=Path, file_okay=False), default=Path(".mesh/store"), show_default=True
)
@click.option("--channel", default=DEFAULT_CHANNEL, show_default=True)
@click.option("--expect-seq", type=click.IntRange(min=0), help="refuse unless the channel is at this sequence number")
@click.pass_obj
def command(project: Project, plan_file: Path | None, store: Path, channel: str, expect_seq: int | None) -> int:
    """Publish PLAN_FILE (from `mesh plan --out`), or the mesh as it is now."""
    if not CHANNEL.match(channel):
        raise click.UsageError(f"`{channel}` is not a channel name: lower-case letters, digits, `.`, `_` and `-`")
    try:
        bundle = _bundle(project, plan_file)
        if bundle is None:
            return exits.DIAGNOSTICS
        published = publish(project.root / store, bundle, channel=channel, expect_seq=expect_seq)
    except PlanRefusedError as error:
        click.echo(f"refused ({error.code}): {error}", err=True)
        return exits.TRUST
    except StaleError as error:
        click.echo(f"stale: {error}; run `mesh plan` again on what is there now", err=True)
        return exits.STALE
    said = "published" if published.changed else "already current"
    click.echo(f"{said}: {channel} #{published.pointer.seq} {published.pointer.plan}")
    return exits.OK


def _bundle(project: Project, plan_file: Path | None) -> Bundle | None:
    if plan_file is not None:
        return unpack(plan_file.read_bytes())
    compiled = project.compile()
    show(compiled)
    return compiled.bundle
