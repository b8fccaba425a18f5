"""`mesh lock`: ask the servers for their definitions and record them for review."""

from __future__ import annotations

from collections.abc import Iterator

import click

from meshplan.compiler import exits
from meshplan.compiler.locking import Outcome, lock_servers
from meshplan.compiler.plugins.locking import lock_strategies
from meshplan.compiler.project import Project, show
from meshplan.compiler.render.lockchanges import change_lines
from meshplan.compiler.render.progress import Progress
from meshplan.compiler.suggest import did_you_mean


@click.command("lock")
@click.option("--update", "only", multiple=True, metavar="SERVER", help="ask only this server; may be repeated")
@click.option("--missing", is_flag=True, help="ask only servers that have no lock, or one for another transport")
@click.option("--check", is_flag=True, help="write nothing; exit 2 where a lock differs from its server")
@click.option("--timeout", type=click.IntRange(1, 600), default=60, show_default=True, help="seconds a server has")
@click.pass_obj
def command(project: Project, only: tuple[str, ...], missing: bool, check: bool, timeout: int) -> int:
    """Record every tool, prompt, template and declared resource of the servers, in mesh.lock/SERVER.json.

    Of strategies that packages bring it records what settings they take, in mesh.lock/@strategies/NAME.json.
    """
    compiled = project.compile()
    mesh = compiled.draft.mesh
    if mesh is None:
        return show(compiled)
    for name in only:
        if name not in mesh.servers:
            advice = did_you_mean(name, mesh.servers)
            raise click.UsageError(f"there is no server `{name}`" + (f"; {advice}" if advice else ""))
    with Progress() as progress:
        outcomes = lock_servers(
            project,
            compiled.draft,
            only=only,
            missing=missing,
            write=not check,
            timeout=timeout,
            say=lambda outcome: progress.done(outcome.server, _lines(outcome)),
            begin=progress.begin,
        )
    if not only:
        strategies = lock_strategies(project.root, compiled.draft.reader, mesh, missing=missing, write=not check)
        for outcome in strategies:
            for line in _lines(outcome):
                click.echo(line, err=True)
        outcomes += strategies
    if any(outcome.state == "failed" for outcome in outcomes):
        return exits.COULD_NOT_CHECK
    changed = any(outcome.state in ("new", "changed") for outcome in outcomes)
    return exits.DIFFERENCES if check and changed else exits.OK


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.state:>9}  {outcome.server}" + (f": {outcome.detail}" if outcome.detail else "")
    for line in change_lines(outcome.changes):
        yield f"{'':>11}{line}"
    if outcome.note:
        yield f"{'note':>9}  {outcome.server}: {outcome.note}"
