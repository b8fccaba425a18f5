"""`mesh init`: a first mesh.yaml, from the configurations that are there already."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.files import write_atomically
from meshplan.compiler.importers import FORMATS, Import, ImportProblem, combine, detect, read, render_mesh
from meshplan.compiler.importers.names import slug
from meshplan.compiler.places import found_configurations
from meshplan.compiler.project import Project
from meshplan.compiler.render.view import visible


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
        click.echo(f"`{project.entry}` is there already; give --force to write over it", err=True)
        return exits.DIAGNOSTICS
    paths = list(sources) or found_configurations(project.root, None if no_home else Path.home())
    if not paths:
        click.echo(how_to_begin(project), err=True)
        return exits.DIAGNOSTICS
    try:
        merged = combine([read_configuration(path, form) for path in paths])
    except ImportProblem as problem:
        click.echo(str(problem), err=True)
        return exits.DIAGNOSTICS
    if not merged.servers:
        tell(merged)
        click.echo("no server could be taken over; nothing was written", err=True)
        return exits.DIAGNOSTICS
    text = render_mesh(merged.servers, merged.notes, name=slug(project.root.name) or "mesh")
    write_atomically(target, text.encode())
    tell(merged)
    click.echo(f"wrote {project.entry} with {len(merged.servers)} servers; next: `mesh lock`, then `mesh up`", err=True)
    return exits.OK


def read_configuration(path: Path, form: str | None) -> Import:
    """Read one file; raises ``ImportProblem`` with the file's name in it."""
    text = path.read_bytes().decode("utf-8", errors="replace")
    known = form or detect(path.name if path.parent.name == "" else f"{path.parent.name}/{path.name}", text)
    if known is None:
        raise ImportProblem(
            1, 1, f"`{path.name}` is not a configuration that is known here", "name the format with --from"
        )
    click.echo(f"reading {path} ({known})", err=True)
    return read(known, path.name, text)


def tell(found: Import) -> None:
    """Say everything that the author should know, on stderr."""
    for note in found.notes:
        where = f"{note.server}: " if note.server else ""
        click.echo(
            f"{note.level}: {where}{visible(note.message)}" + (f"; {visible(note.help)}" if note.help else ""), err=True
        )


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
