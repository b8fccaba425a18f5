"""`mesh keygen`: make an API key; the mesh keeps its hash only."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from datetime import date

import click

from meshplan.compiler import exits

PREFIX = "mesh_"
"""Begins every key, so that scanners for leaked secrets can know it."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")


@click.group("keygen")
def command() -> None:
    """Make a key."""


def _named(_context: click.Context, _parameter: click.Parameter, value: str | tuple[str, ...] | None) -> object:
    for name in (value,) if isinstance(value, str) else value or ():
        if not _NAME.match(name):
            raise click.BadParameter("a name has lower-case letters, digits, `-` and `_`, and begins with a letter")
    return value


@command.command("api-key")
@click.argument("name", callback=_named)
@click.option("--user", callback=_named, help="the user that the key proves")
@click.option("--team", "teams", multiple=True, callback=_named, help="a team that the key proves; may be repeated")
@click.option("--agent", callback=_named, help="the agent that the key proves")
@click.option("--application", callback=_named, help="the application that the key proves")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="the day on which the key ends")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def api_key(
    name: str,
    user: str | None,
    teams: tuple[str, ...],
    agent: str | None,
    application: str | None,
    expires: date | None,
    form: str,
) -> int:
    """Make an API key: prints it, this once, and the line for `identity.keys` that lets it in."""
    key = PREFIX + secrets.token_urlsafe(32)
    ends = None if expires is None else f"{expires:%Y-%m-%d}"
    entry: dict[str, str | list[str] | None] = {
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "user": user,
        "teams": list(teams) or None,
        "agent": agent,
        "application": application,
        "expires": ends,
    }
    given = {word: value for word, value in entry.items() if value is not None}
    if form == "json":
        click.echo(json.dumps({"v": 1, "name": name, "key": key, "entry": given}))
    else:
        parts = [f"{word}: {_flow(value)}" for word, value in given.items()]
        click.echo(f"{key}\n    {name}: {{{', '.join(parts)}}}")
        click.echo("the key is shown this once; the line below it goes into `identity.keys`", err=True)
    return exits.OK


def _flow(value: str | list[str]) -> str:
    """A value in YAML's flow style; names and dates need no quotes."""
    return value if isinstance(value, str) else f"[{', '.join(value)}]"
