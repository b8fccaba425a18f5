"""The file side of `mesh validate --fix`: show or write what the fixes change."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import click

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.files import replace_text
from meshplan.compiler.fix import Fixed, fix_mesh
from meshplan.compiler.newlines import ending
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project
from meshplan.compiler.reader import FolderReader
from meshplan.compiler.render.view import masked, visible


def fix_project(project: Project, now: str | None, *, write: bool) -> Compiled:
    """Fix the project's files, or print the change as a unified diff; returns what stands in the files afterwards."""
    before = project.compile(now)
    fixed = fix_mesh(FolderReader(project.root), lambda reader: project.compile(now, reader))
    _say(fixed, "fixed" if write else "would fix")
    if not write:
        for name in sorted(fixed.texts):
            click.echo(unified(name, before, fixed.compiled), nl=False)
        return before
    for name, text in sorted(fixed.texts.items()):
        _write(project.root, name, before.texts[name], text)
    return fixed.compiled


def _say(fixed: Fixed, verb: str) -> None:
    for d in fixed.done:
        click.echo(f"{verb}: {_told(d)}", err=True)
    for d in fixed.left:
        click.echo(f"left to you, as the obvious change does not settle it: {_told(d)}", err=True)
    if not fixed.done:
        click.echo("nothing that can be fixed with certainty", err=True)


def _told(d: Diagnostic) -> str:
    text = d.fix.text if d.fix else ""
    change = f"write `{visible(text)}`" if text else "remove it"
    return f"{d.span.file}:{d.span.line}:{d.span.column}: {d.code} {visible(d.message)}: {change}"


def unified(name: str, before: Compiled, after: Compiled) -> str:
    """The change of one file as a unified diff, with secrets covered: output goes to logs."""
    old, new = (_lines(c.texts[name], masked(c.texts[name], name, c.diagnostics)) for c in (before, after))
    return "".join(_ended(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")))


def _lines(raw: str, normal: str) -> list[str]:
    newline, mark = ending(raw), "\ufeff" if raw.startswith("\ufeff") else ""
    lines = [line.replace("\n", newline) for line in f"{mark}{normal}".split("\n")]
    return [*(line + newline for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]


def _ended(lines: Iterable[str]) -> Iterable[str]:
    return (line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _write(root: Path, name: str, old: str, new: str) -> None:
    """Write one file, unless it is not what was compiled or lies elsewhere than it says."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise click.UsageError(f"`{name}` is a link to a file outside of the mesh's folder: fix it there")
    if path.read_bytes() != old.encode():
        raise click.UsageError(f"`{name}` has changed meanwhile, or is not UTF-8; nothing is written to it")
    replace_text(path, new)
