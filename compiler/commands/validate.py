"""`mesh validate`: check the files, and say everything that is wrong with them."""

from __future__ import annotations

import click

from meshplan.compiler import exits
from meshplan.compiler.diagnostics import has_errors
from meshplan.compiler.project import Project, show


@click.command("validate")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.option("--strict", is_flag=True, help="warnings fail, too")
@click.pass_obj
def command(project: Project, form: str, color: str, now: str | None, strict: bool) -> int:
    """Check mesh.yaml and mesh.lock; touches no network."""
    compiled = project.compile(now)
    if form == "json":
        from meshplan.compiler.render.json import render_json
        from meshplan.compiler.render.view import view

        click.echo(render_json(view(compiled.diagnostics, compiled.texts)), nl=False)
        code = exits.DIAGNOSTICS if has_errors(compiled.diagnostics) else exits.OK
    else:
        code = show(compiled, colour=color, to_stdout=True)
        if not compiled.diagnostics:
            click.echo(f"{project.entry}: ok", err=True)
    return exits.DIAGNOSTICS if strict and compiled.diagnostics else code
