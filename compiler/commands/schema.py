"""`mesh schema`: the JSON Schemas that are generated from the models."""

from __future__ import annotations

import json

import click

from meshplan.compiler.schema import SCHEMAS


@click.command("schema")
@click.option("--kind", type=click.Choice(sorted(SCHEMAS)), default="mesh", show_default=True)
def command(kind: str) -> int:
    """Print the JSON Schema (2020-12) of mesh.yaml, or of the plan."""
    click.echo(json.dumps(SCHEMAS[kind](), indent=2, ensure_ascii=False))
    return 0
