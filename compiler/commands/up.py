"""`mesh up`: from files to a served mesh on this machine, and again on every change of a file."""

from __future__ import annotations

import click

from meshplan.compiler import exits
from meshplan.compiler.clients import CLIENTS
from meshplan.compiler.commands.init import how_to_begin
from meshplan.compiler.project import Project
from meshplan.compiler.watching import Watcher


@click.command("up")
@click.option("--listen", metavar="HOST:PORT", help="instead of `runtime.listen`; loopback only")
@click.option(
    "--client",
    type=click.Choice(list(CLIENTS)),
    default="cursor",
    show_default=True,
    help="whose configuration snippet to print",
)
@click.pass_obj
def command(project: Project, listen: str | None, client: str) -> int:
    """Lock what is not locked, compile, serve on loopback, and reload on every change."""
    if not (project.root / project.entry).is_file():
        click.echo(how_to_begin(project), err=True)
        return exits.DIAGNOSTICS
    return Watcher(project, listen=listen, client=client).run()
