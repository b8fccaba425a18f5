"""`mesh init`: a first mesh.yaml, from the configurations that are there already."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.files import write_atomically
from meshplan.compiler.importers import FORMATS, combine, render_mesh
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importing import ImportFailedError, Source, read_sources, tell_notes, tell_sources
from meshplan.compiler.places import found_configurations
from meshplan.compiler.project import Project
from meshplan.compiler.render.words import counted


@click.command("init")
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--from", "form", type=click.Choice([f.id for f in FORMATS]), help="the format, where it is not plain from the file"
)
@click.option("--no-home", is_flag=True, help="do not look into the home folder")
@click.option("--force", is_flag=True, help="write over an existing file")
@click.pass_obj
def command(project: Project, sources: tuple[Path, ...], form: str | None, no_home: bool, force: bool) -> int:
    """Make mesh.yaml from SOURCES, or from every client configuration found here and in the home folder.

    Secrets are never copied: each becomes a reference to an environment variable, and a note says which.
    """
    target = project.root / project.entry
    if target.exists() and not force:
        advice = "`mesh import FILE` adds to it, --force writes over it"
        click.echo(f"`{project.entry}` is there already; {advice}", err=True)
        return exits.DIAGNOSTICS
    paths = list(sources) or found_configurations(project.root, None if no_home else Path.home())
    if not paths:
        click.echo(how_to_begin(project), err=True)
        return exits.DIAGNOSTICS
    read = _read_all(paths, form, named=bool(sources))
    if read is None:
        return exits.DIAGNOSTICS
    merged = combine([source.found for source in read])
    tell_sources(read)
    tell_notes(merged.notes)
    if not merged.servers:
        click.echo("no server could be taken over; nothing was written", err=True)
        return exits.DIAGNOSTICS
    text = render_mesh(merged.servers, merged.notes, name=slug(project.root.name))
    write_atomically(target, text.encode())
    count = counted(len(merged.servers), "server")
    click.echo(f"wrote {project.entry} with {count}; next: `mesh lock`, then `mesh up`", err=True)
    return exits.OK


def _read_all(paths: list[Path], form: str | None, *, named: bool) -> list[Source] | None:
    """A file that was named must be readable; one that was only found is left out, and said to be."""
    read: list[Source] = []
    for path in paths:
        try:
            read += read_sources([path], form)
        except ImportFailedError as failed:
            click.echo(f"error: {failed}" if named else f"warning: left out: {failed}", err=True)
            if named:
                return None
    return read


def how_to_begin(project: Project) -> str:
    """What to do in a folder without a mesh.yaml."""
    found = found_configurations(project.root, Path.home())
    lines = [f"there is no `{project.entry}` in this folder."]
    if found:
        lines += ["`mesh init` makes one from the client configurations found:", *(f"  {path}" for path in found)]
    else:
        lines += [
            "`mesh init FILE` makes one from a client configuration that you have: of Claude, Cursor, VS Code, Codex or Zed,",
            "or of a gateway. None was found here or in the home folder.",
        ]
    return "\n".join(lines)
