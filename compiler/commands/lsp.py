"""`mesh lsp`: the language server for editors; its protocol library is an extra that nothing else loads."""

from __future__ import annotations

from importlib.util import find_spec

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project


@click.command("lsp")
@click.pass_obj
def command(project: Project) -> int:
    """Speak the Language Server Protocol over standard input and output: diagnostics, completion, hover, definitions."""
    if find_spec("pygls") is None:
        raise click.UsageError("the language server needs its extra: `pip install 'meshplan[lsp]'`")
    from meshplan.compiler.language_server.server import serve

    serve(project.entry)
    return exits.OK
