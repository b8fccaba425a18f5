"""`mesh init`: a first mesh.yaml, from the configurations that are there already."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.files import write_atomically
from meshplan.compiler.importers import FORMATS, Import, combine, render_mesh
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.write import SCHEMA
from meshplan.compiler.importing import ImportFailedError, Source, read_sources, tell_notes, tell_sources
from meshplan.compiler.places import found_configurations
from meshplan.compiler.project import Project
from meshplan.compiler.render.words import counted
from meshplan.compiler.starter import starter_text, write_schema


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

    Where there is none, the first mesh.yaml has one server to try things with. A file that is there is left alone.

    Secrets are never copied: each becomes a reference to an environment variable, and a note says which.
    """
    target = project.root / project.entry
    if target.is_dir():
        click.echo(how_to_begin(project), err=True)
        return exits.DIAGNOSTICS
    if target.exists() and not force:
        advice = "`mesh import FILE` adds to it, --force writes over it"
        click.echo(f"`{project.entry}` is there already; {advice}", err=True)
        return exits.DIAGNOSTICS
    paths = list(sources) or found_configurations(project.root, None if no_home else Path.home())
    read = _read_all(paths, form, named=bool(sources))
    if read is None:
        return exits.DIAGNOSTICS
    merged = combine([source.found for source in read])
    tell_sources(read)
    tell_notes(merged.notes)
    if not merged.servers and sources:
        click.echo("no server could be taken over; nothing was written", err=True)
        return exits.DIAGNOSTICS
    _write(project, target, merged)
    return exits.OK


def _write(project: Project, target: Path, merged: Import) -> None:
    """The servers that were taken over, else a start with one to try; and what to do next."""
    name = project.root.name
    if merged.servers:
        text = render_mesh(merged.servers, merged.notes, name=slug(name))
        said = f"wrote {project.entry} with {counted(len(merged.servers), 'server')}"
    else:
        text = starter_text(name)
        click.echo("no configuration of a client with servers was found here or in the home folder", err=True)
        said = f"wrote {project.entry} with the protocol's reference server, to try things with; it needs `npx`"
    if write_schema(project.root):
        click.echo(f"wrote {SCHEMA}, which the first line names for editors", err=True)
    write_atomically(target, text.encode())
    click.echo(f"{said}; next: `mesh lock`, then `mesh up`", err=True)


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
    if (project.root / project.entry).is_dir():
        return f"`{project.entry}` is a folder, not a file; name another file with `--file`"
    found = found_configurations(project.root, Path.home())
    lines = [f"there is no `{project.entry}` in this folder."]
    if found:
        lines += ["`mesh init` makes one from the client configurations found:", *(f"  {path}" for path in found)]
    else:
        lines += [
            "`mesh init` writes a first one, and `mesh init FILE` makes it from a client configuration that you have:",
            "of Claude, Cursor, VS Code, Codex or Zed, or of a gateway.",
        ]
    return "\n".join(lines)
