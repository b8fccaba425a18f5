"""`mesh schema`: the JSON Schemas of the files and of the output."""

from __future__ import annotations

from typing import cast

import click

from meshplan.compiler.schema import KINDS, Draft, schema_text


@click.command("schema")
@click.option("--kind", type=click.Choice(list(KINDS)), default="mesh", show_default=True)
@click.option(
    "--draft",
    type=click.Choice(["2020-12", "7"]),
    default="2020-12",
    show_default=True,
    help="7 is a profile that editors with yaml-language-server understand",
)
def command(kind: str, draft: str) -> int:
    """Print the JSON Schema of mesh.yaml, of a test file, of the plan, or of `--format json`."""
    click.echo(schema_text(kind, cast("Draft", draft)), nl=False)
    return 0
