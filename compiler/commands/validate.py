"""`mesh validate`: check the files, and say everything that is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import click

from meshplan.compiler import exits
from meshplan.compiler.diagnostics import has_errors, ordered
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project, parse_day, show

FORMATS = ("text", "concise", "json", "sarif", "github", "markdown")


@click.command("validate")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.option("--strict", is_flag=True, help="warnings fail, too")
@click.option("--fix", is_flag=True, help="apply the fixes that are certain")
@click.option("--diff", is_flag=True, help="with --fix: print the change and write nothing")
@click.pass_obj
def command(project: Project, form: str, color: str, now: str | None, strict: bool, fix: bool, diff: bool) -> int:
    """Check mesh.yaml, mesh.lock and the access tests beside them; touches no network."""
    if diff and not fix:
        raise click.UsageError("`--diff` goes with `--fix`")
    if fix:
        compiled = _fixed(project, now, write=not diff)
        if diff:
            return _code(compiled, strict)
    else:
        compiled = _with_tests(project, project.compile_everywhere(now), now)
    if form == "text":
        show(compiled, colour=color, to_stdout=True)
        hidden = f", {len(compiled.suppressed)} suppressed" if compiled.suppressed else ""
        if hidden or not compiled.diagnostics:
            click.echo(f"{project.entry}: {'ok' if not compiled.diagnostics else 'not all is shown'}{hidden}", err=True)
    else:
        click.echo(rendered(compiled, form, project.below, project.environment or "default"), nl=False)
    return _code(compiled, strict)


def _with_tests(project: Project, compiled: Compiled, now: str | None) -> Compiled:
    """With what is wrong in the access tests beside the mesh, which are resolved against a mesh without errors."""
    from meshplan.compiler.testing.files import test_files

    files = [] if has_errors(compiled.diagnostics) else test_files(project.root)
    if not files:
        return compiled
    from meshplan.compiler.testing.report import mistakes

    found, texts = mistakes(project, files, today=parse_day(now))
    return replace(compiled, diagnostics=ordered((*compiled.diagnostics, *found)), texts={**texts, **compiled.texts})


def _code(compiled: Compiled, strict: bool) -> int:
    code = exits.of(compiled.diagnostics)
    warned = any(diagnostic.severity == "warning" for diagnostic in compiled.diagnostics)
    return exits.DIAGNOSTICS if strict and warned and code == exits.OK else code


def _fixed(project: Project, now: str | None, *, write: bool) -> Compiled:
    """Fix what is certain; say on stderr what was changed. Returns what is left, or with a diff what there was."""
    from meshplan.compiler.commands.fixing import fix_project

    return fix_project(project, now, write=write)


def rendered(compiled: Compiled, form: str, folder: str, environment: str) -> str:
    """The diagnostics in a format for machines."""
    from meshplan.compiler.render.view import view

    root = compiled.draft.whole or compiled.draft.root
    views = view(compiled.diagnostics, compiled.texts, root)
    if form == "json":
        from meshplan.compiler.render.json import render_json

        reasons = [reason for _, reason in compiled.suppressed]
        hidden = view((d for d, _ in compiled.suppressed), compiled.texts, root)
        return render_json(views, suppressed=zip(hidden, reasons, strict=True))
    if form == "sarif":
        from importlib.metadata import version

        from meshplan.compiler.render.sarif import render_sarif

        return render_sarif(views, version=version("meshplan"), environment=environment, folder=folder)
    if form == "github":
        from meshplan.compiler.render.github import render_github

        return render_github(views, folder=folder)
    if form == "markdown":
        from meshplan.compiler.render.markdown import render_markdown

        return render_markdown(views)
    from meshplan.compiler.render.concise import render_concise

    return render_concise(views)
