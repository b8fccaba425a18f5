"""`mesh stdio`: one virtual MCP over standard input and output, for clients that start commands."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, show
from meshplan.compiler.runtime_process import become
from meshplan.compiler.store import publish
from meshplan.compiler.suggest import did_you_mean

CHANNEL = "stdio"


@click.command("stdio")
@click.argument("name")
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="serve this plan file"
)
@click.pass_obj
def command(project: Project, name: str, plan_file: Path | None) -> int:
    """Serve the virtual MCP NAME of the mesh as it is now, or of a plan file."""
    words = ["stdio", name, "--root", str(project.root)]
    if plan_file is not None:
        return become([*words, "--plan", str(plan_file.resolve())])
    compiled = project.compile()
    code = show(compiled)
    if compiled.bundle is None:
        return code
    if name not in compiled.bundle.plan.endpoints:
        advice = did_you_mean(name, compiled.bundle.plan.endpoints)
        raise click.UsageError(f"there is no virtual MCP `{name}`" + (f"; {advice}" if advice else ""))
    store = project.state / "store"
    publish(store, compiled.bundle, channel=CHANNEL)
    become([*words, "--store", str(store), "--channel", CHANNEL])
    return exits.OK
