"""`mesh who-can`: everybody who can reach a capability."""

from __future__ import annotations

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, parse_day, show


@click.command("who-can")
@click.argument("capability")
@click.option("--endpoint", metavar="NAME", help="only at this virtual MCP")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(project: Project, capability: str, endpoint: str | None, form: str, now: str | None) -> int:
    """List who can reach CAPABILITY, which is named as an endpoint advertises it, or as `server.name`.

    Exact, for principals that nobody has thought of, too: whoever holds what a line says, and maybe more. Touches no network.
    """
    from meshplan.compiler.access.asking import AskingError, named
    from meshplan.compiler.access.whocan import who_can
    from meshplan.compiler.render.access import json as as_json
    from meshplan.compiler.render.access import text as as_text

    compiled = project.compile(now)
    bundle = compiled.bundle or compiled.held
    if bundle is None:
        show(compiled)
        return exits.DIAGNOSTICS
    try:
        meant = dict.fromkeys(found for _, found in named(compiled, bundle, capability, endpoint))
    except AskingError as error:
        raise click.UsageError(str(error)) from None
    found = [way for one in meant for way in who_can(bundle, one, endpoint, parse_day(now))]
    if not found:
        click.echo(f"no endpoint offers `{capability}`, so nobody reaches it", err=True)
    render = as_json.render_who_can if form == "json" else as_text.render_who_can
    click.echo(render(found), nl=False)
    return exits.OK
