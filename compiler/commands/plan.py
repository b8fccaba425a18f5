"""`mesh plan`: compile, and show what would change against what is there."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.commands.diff import FORMATS, shown_diff
from meshplan.compiler.files import write_atomically
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project, show
from meshplan.compiler.render.plan import plan_data, render_plan


@click.command("plan")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="write the plan to this file")
@click.option("--against", metavar="SIDE", help="also show the difference from `git:REF`, a plan file or a store")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--exit-code", is_flag=True, help="exit 2 where something differs, 3 where nobody has agreed to it")
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(
    project: Project, out: Path | None, against: str | None, form: str, exit_code: bool, now: str | None
) -> int:
    """Compile the mesh; the same sources give the same bytes on any machine."""
    if exit_code and against is None:
        raise click.UsageError("`--exit-code` goes with `--against`")
    if against is None and form not in ("text", "json"):
        raise click.UsageError(f"`--format {form}` shows a difference: say from what with `--against`")
    compiled = project.compile(now)
    code = show(compiled)
    if compiled.bundle is None and (compiled.held is None or against is None):
        return code
    if out is not None and compiled.bundle is not None:
        from meshplan.schemas.bundle import pack

        write_atomically(out, pack(compiled.bundle).encode())
    if against is not None:
        if form == "text" and compiled.bundle is not None:
            click.echo(render_plan(compiled.bundle, compiled.draft.verdicts))
        return shown_diff(project, against, ".", form=form, exit_code=exit_code, now=now)
    _summary(compiled, form)
    return exits.OK


def _summary(compiled: Compiled, form: str) -> None:
    if compiled.bundle is None:
        return
    if form == "json":
        import json

        click.echo(json.dumps(plan_data(compiled.bundle, compiled.draft.verdicts), indent=2, ensure_ascii=False))
    else:
        click.echo(render_plan(compiled.bundle, compiled.draft.verdicts), nl=False)
