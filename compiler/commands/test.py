"""`mesh test`: run the access tests against the plan that would be served."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, parse_day
from meshplan.compiler.rules import BY_SLUG
from meshplan.compiler.testing.files import SUFFIX, test_files
from meshplan.compiler.testing.report import Refused, Report, run_tests

_NO_SUCH_RULE = BY_SLUG["unknown-rule"].code


@click.command("test")
@click.argument("files", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="also write JUnit XML to this file")
@click.option("--mutate", is_flag=True, help="drop, invert and widen each rule and grant: a test must notice")
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="fail where fewer rules and grants are covered",
)
@click.option("--now", metavar="DATE", help="judge expiries as of this date, where a file does not say")
@click.pass_obj
def command(
    project: Project,
    files: tuple[str, ...],
    form: str,
    junit: Path | None,
    mutate: bool,
    min_coverage: float | None,
    now: str | None,
) -> int:
    """Run FILES, or every `*.mesh-test.yaml` of the mesh's folder, in the environments that they name.

    Exit 4 where a test fails or names a rule that there is not, coverage is too low, a mutant survives, or there is no
    test at all.
    """
    chosen = list(files) or test_files(project.root)
    if not chosen:
        click.echo(f"there is no test: write one into a file that ends in `{SUFFIX}`", err=True)
        return exits.TESTS_FAILED
    found = run_tests(project, chosen, today=parse_day(now), mutate=mutate)
    if isinstance(found, Refused):
        return _refused(found)
    if junit is not None:
        from meshplan.compiler.render.testing.junit import render_junit

        junit.write_text(render_junit(found), encoding="utf-8")
    click.echo(rendered(found, form), nl=False)
    return exits.TESTS_FAILED if _failed(found, min_coverage) else exits.OK


def rendered(report: Report, form: str) -> str:
    """The report in one of the formats."""
    if form == "json":
        from meshplan.compiler.render.testing.json import render_json

        return render_json(report)
    if form == "junit":
        from meshplan.compiler.render.testing.junit import render_junit

        return render_junit(report)
    from meshplan.compiler.render.testing.text import render_text

    return render_text(report)


def _refused(found: Refused) -> int:
    from meshplan.compiler.render.text import render_text
    from meshplan.compiler.render.view import view

    click.echo(render_text(view(found.diagnostics, found.texts)), nl=False, err=True)
    errors = [d.code for d in found.diagnostics if d.severity == "error"]
    # What a test says must decide is not there: the mesh does not do what the test says, as where a rule was taken away.
    return exits.TESTS_FAILED if all(code == _NO_SUCH_RULE for code in errors) else exits.DIAGNOSTICS


def _failed(report: Report, min_coverage: float | None) -> bool:
    if report.failed:
        click.echo(f"{len(report.failed)} of {report.count} checks failed", err=True)
    low = min_coverage is not None and report.coverage.percent < min_coverage
    if low:
        click.echo(f"coverage is {report.coverage.percent:.1f} %, and {min_coverage:g} % are wanted", err=True)
    alive = report.mutation is not None and bool(report.mutation.survivors)
    if alive:
        click.echo("a mutant survived: a rule or grant can change and no test notices", err=True)
    return bool(report.failed) or low or alive or report.count == 0
