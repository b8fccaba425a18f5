"""`mesh diff`: who gains and who loses what between two meshes, and everything else that differs."""

from __future__ import annotations

import os
import sys

import click

from meshplan.compiler import exits
from meshplan.compiler.diff.model import Diff
from meshplan.compiler.diff.run import Outcome, diff_everywhere
from meshplan.compiler.diff.run import exit_code as code_of
from meshplan.compiler.diff.sides import SideError, source
from meshplan.compiler.project import Project, parse_day, show

FORMATS = ("text", "json", "markdown", "html", "sarif")


@click.command("diff")
@click.argument("before")
@click.argument("after", default=".")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--exit-code", is_flag=True, help="exit 2 where something differs, 3 where nobody has agreed to it")
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(project: Project, before: str, after: str, form: str, exit_code: bool, now: str | None) -> int:
    """Compare BEFORE with AFTER (the working tree when left out).

    Each is `.` (the working tree), `git:REF`, a plan file, or the folder of a store (`DIR@CHANNEL`). Without `--env`
    every environment is compared, and equal ones are shown together.
    """
    return shown_diff(project, before, after, form=form, exit_code=exit_code, now=now)


def shown_diff(project: Project, before: str, after: str, *, form: str, exit_code: bool, now: str | None) -> int:
    """Print the difference of two sides and return the exit code."""
    try:
        old, new = source(project, before), source(project, after)
        outcome = diff_everywhere(project, old, new, today=parse_day(now))
    except SideError as error:
        click.echo(str(error), err=True)
        return error.code
    if outcome.broken:
        for compiled in outcome.broken:
            show(compiled)
        click.echo("the side after does not compile, so there is nothing to compare", err=True)
        return exits.DIAGNOSTICS
    click.echo(rendered(outcome.diffs, form, project), nl=False, color=True)
    for compiled in outcome.held:
        show(compiled)
    _warn(outcome)
    return code_of(outcome, exit_code=exit_code)


def _warn(outcome: Outcome) -> None:
    for change in outcome.stopped:
        click.echo(f"{change.summary}: acknowledge `{change.fingerprint}`, or undo it", err=True)
    for mark in outcome.expired:
        click.echo(f"the acknowledgement of `{mark}` has ended: renew it, or undo the change", err=True)
    for mark in sorted({mark for diff in outcome.diffs for mark in diff.stale_acknowledgements}):
        click.echo(f"warning: the acknowledgement of `{mark}` is for a change that is not there", err=True)


def rendered(diffs: tuple[Diff, ...], form: str, project: Project) -> str:
    """The diffs in one of ``FORMATS``."""
    if form == "text":
        from meshplan.compiler.render.diff.text import render_text

        return render_text(diffs, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    if form == "json":
        from meshplan.compiler.render.diff.json import render_json

        return render_json(diffs)
    if form == "markdown":
        from meshplan.compiler.render.diff.markdown import render_markdown

        return render_markdown(diffs)
    if form == "html":
        from meshplan.compiler.render.diff.html import render_html

        return render_html(diffs)
    from importlib.metadata import version

    from meshplan.compiler.render.diff.sarif import render_sarif

    return render_sarif(diffs, version=version("meshplan"), folder=project.below, entry=project.entry)
