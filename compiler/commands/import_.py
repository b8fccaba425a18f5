"""`mesh import`: servers of other configurations, added to the mesh.yaml that is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.files import replace_text
from meshplan.compiler.importers import FORMATS, Import, ImportProblem, combine, render_mesh
from meshplan.compiler.importers.append import append_servers, existing_servers
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.write import SCHEMA
from meshplan.compiler.importing import ImportFailedError, Source, read_sources, tell_notes, tell_sources
from meshplan.compiler.project import Project
from meshplan.compiler.render.unified import unified
from meshplan.compiler.render.words import counted
from meshplan.compiler.starter import write_schema

REPORT_FORMAT = "mesh.dev/import/v1"


@dataclass(frozen=True, slots=True)
class _Result:
    """What the mesh's file was and would be."""

    before: str | None
    after: str
    found: Import


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--from", "form", type=click.Choice([f.id for f in FORMATS]), help="the format, where it is not plain from the file"
)
@click.option("--write", is_flag=True, help="write the mesh's file; without it the difference is printed")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="write the result to this file, and leave the mesh's"
)
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def command(
    project: Project, files: tuple[Path, ...], form: str | None, write: bool, out: Path | None, output: str
) -> int:
    """Add the servers of FILES to mesh.yaml: prints the difference, and with --write makes it.

    Only entries under `servers` are added; where there is no mesh.yaml, a whole first one is printed. A secret is never
    copied: it becomes a reference, and a note on stderr says which variable to set.
    """
    if write and out is not None:
        raise click.UsageError("give at most one of --write and --out")
    try:
        sources = read_sources(files, form)
        result = _imported(project, sources)
    except ImportFailedError as failed:
        return _failed(failed, output)
    target = out if out is not None else project.root / project.entry if write else None
    changed = result.before != result.after
    if target is not None and (changed or out is not None):
        replace_text(target, result.after)
        if result.before is None and out is None and write_schema(project.root):
            click.echo(f"wrote {SCHEMA}, which the first line names for editors", err=True)
    if output == "json":
        click.echo(json.dumps(_report(project, sources, result, target), indent=2, ensure_ascii=False))
        return exits.OK
    _tell(project, sources, result, target)
    return exits.OK


def _imported(project: Project, sources: Sequence[Source]) -> _Result:
    imports = [source.found for source in sources]
    path = project.root / project.entry
    if not path.exists():
        found = combine(imports)
        return _Result(None, render_mesh(found.servers, found.notes, name=slug(project.root.name)), found)
    from meshplan.compiler.source import read_yaml

    text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    root, said = read_yaml(project.entry, text)
    if root is None or said:
        first = next((d for d in said if d.severity == "error"), said[0])
        problem = ImportProblem(first.span.line, first.span.column, first.message, "correct the mesh's file first")
        raise ImportFailedError(Path(project.entry), problem)
    found = combine(imports, existing_servers(root))
    try:
        return _Result(text, append_servers(text, root, found.servers, found.notes), found)
    except ImportProblem as problem:
        raise ImportFailedError(Path(project.entry), problem) from None


def _failed(failed: ImportFailedError, output: str) -> int:
    if output == "json":
        problem = failed.problem
        place = {"file": str(failed.path), "line": problem.line, "column": problem.column}
        said = {**place, "message": problem.message, "help": problem.help or None}
        click.echo(json.dumps({"format": REPORT_FORMAT, "problem": said}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"error: {failed}", err=True)
    return exits.DIAGNOSTICS


def _difference(project: Project, result: _Result) -> str:
    """What would change; the lines that are there already are only context, so what looks like a secret is covered."""
    from meshplan.compiler.covering import cover_words

    there = set((result.before or "").split("\n"))

    def covered(text: str) -> str:
        return "\n".join(cover_words(line) if line in there else line for line in text.split("\n"))

    return unified(project.entry, result.before, result.after, covered=covered)


def _tell(project: Project, sources: Sequence[Source], result: _Result, target: Path | None) -> None:
    tell_sources(sources)
    tell_notes(result.found.notes)
    count = counted(len(result.found.servers), "server")
    if target is None and result.before is None:
        click.echo(result.after, nl=False)
        click.echo(f"there is no `{project.entry}` yet: this would be one; `mesh init` or --write makes it", err=True)
        return
    if not result.found.servers:
        click.echo("nothing to add", err=True)
    click.echo(_difference(project, result), nl=False, err=target is not None)
    if target is not None:
        click.echo(f"wrote {target}", err=True)
        click.echo(f"{count} added; next: `mesh lock`, then offer them under `virtual`", err=True)
    elif result.found.servers:
        click.echo(f"{count} to add; --write writes `{project.entry}`", err=True)


def _report(project: Project, sources: Sequence[Source], result: _Result, target: Path | None) -> dict[str, object]:
    return {
        "format": REPORT_FORMAT,
        "entry": project.entry,
        "sources": [{"file": str(source.path), "format": source.format} for source in sources],
        "servers": [{"name": server.name, "entry": dict(server.entry)} for server in result.found.servers],
        "notes": [asdict(note) for note in result.found.notes],
        "diff": _difference(project, result),
        "written": None if target is None else str(target),
    }
