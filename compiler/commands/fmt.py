"""`mesh fmt`: bring the files into their one layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.covering import cover_words
from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.files import replace_text
from meshplan.compiler.formatting import CannotFormat, format_text
from meshplan.compiler.formatting.files import mesh_files
from meshplan.compiler.project import Project
from meshplan.compiler.render.text import render_text
from meshplan.compiler.render.unified import unified
from meshplan.compiler.render.view import view, visible


@dataclass(frozen=True, slots=True)
class _File:
    """One file: as it is, and as it should be (``None``: it cannot be said, and why was shown)."""

    path: Path
    name: str
    before: str
    after: str | None


@click.command("fmt")
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.option("--check", is_flag=True, help="write nothing; name the files that differ, and exit 1 if there are any")
@click.option("--diff", is_flag=True, help="write nothing; print the change as a unified diff")
@click.pass_obj
def command(project: Project, files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Lay out FILES; left out: the mesh's file, what it includes, and all *.mesh-test.yaml.

    Only blanks, blank lines and line ends change. Comments stay, and so does what the files say. A file with YAML
    errors is left as it is.
    """
    names = files or tuple(mesh_files(project.root, project.entry))
    if not names:
        raise click.UsageError(f"there is no file `{project.entry}` and no *.mesh-test.yaml; name the files to lay out")
    found = [_read(project.root, name) for name in dict.fromkeys(names)]
    changed = [file for file in found if file.after not in (None, file.before)]
    for file in changed:
        if diff:
            click.echo(unified(file.name, file.before, file.after or "", covered=cover_words), nl=False)
        elif check:
            click.echo(visible(file.name))
        else:
            replace_text(file.path, file.after or "")
    _summarise(found, changed, written=not (check or diff))
    refused = any(file.after is None for file in found)
    return exits.DIAGNOSTICS if refused or (check and changed) else exits.OK


def _read(root: Path, name: str) -> _File:
    path = root / name
    try:
        before = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return _refused(path, name, "", f"`{visible(name)}` is not UTF-8 text; it is left as it is")
    except OSError as error:
        raise click.UsageError(f"`{visible(name)}` cannot be read: {error.strerror}") from None
    try:
        formatted = format_text(name, before)
    except CannotFormat as error:
        return _refused(path, name, before, visible(str(error)))
    if formatted.text is None:
        return _refused(path, name, before, _told(formatted.diagnostics, name, before))
    return _File(path, name, before, formatted.text)


def _refused(path: Path, name: str, before: str, why: str) -> _File:
    click.echo(why.rstrip("\n"), err=True)
    return _File(path, name, before, None)


def _told(found: Diagnostics, name: str, text: str) -> str:
    return render_text(view(found, {name: text}))


def _summarise(found: list[_File], changed: list[_File], *, written: bool) -> None:
    refused = sum(file.after is None for file in found)
    counts = {
        "laid out" if written else "would change": len(changed),
        "left as they are": len(found) - len(changed) - refused,
        "refused": refused,
    }
    click.echo(", ".join(f"{count} {what}" for what, count in counts.items() if count), err=True)
