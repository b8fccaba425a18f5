"""`mesh plan`: compile, and show or write the plan."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.files import write_atomically
from meshplan.compiler.project import Project, show
from meshplan.compiler.render.plan import plan_data, render_plan


@click.command("plan")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="write the plan to this file")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(project: Project, out: Path | None, form: str, now: str | None) -> int:
    """Compile the mesh; the same sources give the same bytes on any machine."""
    compiled = project.compile(now)
    code = show(compiled)
    if compiled.bundle is None:
        return code
    if out is not None:
        from meshplan.schemas.bundle import pack

        write_atomically(out, pack(compiled.bundle).encode())
    if form == "json":
        import json

        click.echo(json.dumps(plan_data(compiled.bundle), indent=2, ensure_ascii=False))
    else:
        click.echo(render_plan(compiled.bundle), nl=False)
    return exits.OK
