"""`mesh graph`: draw the mesh."""

from __future__ import annotations

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, show


@click.command("graph")
@click.option(
    "-f", "--format", "form", type=click.Choice(["mermaid", "dot", "json"]), default="mermaid", show_default=True
)
@click.option(
    "--focus",
    metavar="WHAT",
    help="only what touches `principal:team:NAME[,agent:NAME]`, `server:NAME`, `endpoint:NAME` or `capability:ID`",
)
@click.option("--access", is_flag=True, help="with subjects, roles, and what they allow and deny")
@click.pass_obj
def command(project: Project, form: str, focus: str | None, access: bool) -> int:
    """Draw the mesh: which servers provide what, which endpoints offer it and, with --access, who may use it."""
    from meshplan.compiler.render import graph as drawing

    compiled = project.compile()
    code = show(compiled)
    if compiled.bundle is None:
        return code
    try:
        chosen = None if focus is None else drawing.parse_focus(focus, compiled.bundle.plan)
    except drawing.FocusError as error:
        raise click.BadParameter(str(error), param_hint="--focus") from None
    graph = drawing.build_graph(compiled.bundle, focus=chosen, access=access)
    if form == "mermaid" and len(graph.edges) > drawing.MAX_EDGES:
        click.echo(
            f"this has {len(graph.edges):,} edges and Mermaid draws {drawing.MAX_EDGES} unless told otherwise: use --focus, or -f dot",
            err=True,
        )
    render = {"mermaid": drawing.render_mermaid, "dot": drawing.render_dot, "json": drawing.render_json}[form]
    click.echo(render(graph), nl=False)
    return exits.OK
