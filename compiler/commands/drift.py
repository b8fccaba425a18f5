"""`mesh drift`: what servers offer now against what is locked; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import click

from meshplan.compiler import exits
from meshplan.compiler.diff.model import LockChange
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.locking import Asked, ask_servers, changes_of
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.project import Project, show
from meshplan.compiler.render.lockchanges import change_data, change_lines
from meshplan.compiler.render.progress import Progress
from meshplan.compiler.render.view import visible
from meshplan.compiler.suggest import did_you_mean
from meshplan.compiler.syntax.servers import AnyServer

FORMAT = "mesh.dev/drift/v1"
State = Literal["same", "drifted", "not locked", "unknown"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One server against its lock; `unknown` is never taken for `same`."""

    server: str
    state: State
    changes: tuple[LockChange, ...] = ()
    reason: str | None = None
    """Why the state is `unknown`."""
    note: str | None = None


@click.command("drift")
@click.argument("servers", nargs=-1, metavar="[SERVER]...")
@click.option("--exit-code", is_flag=True, help="exit 2 where a server differs from its lock")
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--timeout", type=click.IntRange(1, 600), default=60, show_default=True, help="seconds a server has")
@click.pass_obj
def command(project: Project, servers: tuple[str, ...], exit_code: bool, output: str, timeout: int) -> int:
    """Compare what the servers offer now with mesh.lock; exit 7 where one cannot be asked."""
    compiled = project.compile()
    mesh = compiled.draft.mesh
    if mesh is None:
        return show(compiled)
    for name in servers:
        if name not in mesh.servers:
            advice = did_you_mean(name, mesh.servers)
            raise click.UsageError(f"there is no server `{name}`" + (f"; {advice}" if advice else ""))
    asked = {name: server for name, server in mesh.servers.items() if not servers or name in servers}
    found: list[Drift] = []
    with Progress() as progress:
        progress.begin(asked)
        for answer in ask_servers(project, compiled.draft, asked, timeout=timeout):
            drift = drift_of(compiled.draft, asked[answer.server], answer)
            found.append(drift)
            notes = [f"{drift.server}: {drift.note}"] if drift.note else []
            progress.done(drift.server, notes)
    found.sort(key=lambda drift: drift.server)
    click.echo(as_json(found) if output == "json" else "\n".join(_text(found)))
    if any(drift.state == "unknown" for drift in found):
        return exits.COULD_NOT_CHECK
    differs = any(drift.state != "same" for drift in found)
    return exits.DIFFERENCES if exit_code and differs else exits.OK


def drift_of(draft: Draft, server: AnyServer, found: Asked) -> Drift:
    """Compare one answer with the lock of its server."""
    name = found.server
    if found.lock is None:
        return Drift(name, "unknown", reason=found.failure)
    try:
        recorded: ServerLock | None = read_lock(draft.reader, name, draft.environment)
    except ValueError as error:
        return Drift(name, "unknown", reason=visible(f"its lock cannot be used: {error}"), note=found.note)
    if recorded is None:
        return Drift(name, "not locked", note=found.note)
    changes = changes_of(server, recorded, found.lock)
    return Drift(name, "drifted" if changes else "same", changes, note=found.note)


def as_json(found: list[Drift]) -> str:
    """The document: states and changes by server, every character beyond ASCII escaped."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "servers": [
            {
                "server": drift.server,
                "state": drift.state,
                "reason": drift.reason,
                "note": drift.note,
                "changes": [change_data(change) for change in drift.changes],
            }
            for drift in found
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True)


def _text(found: list[Drift]) -> Iterator[str]:
    for drift in found:
        yield f"{drift.state:>10}  {drift.server}" + (f": {drift.reason}" if drift.reason else "")
        for line in change_lines(drift.changes):
            yield f"{'':>12}{line}"
    if any(drift.state in ("drifted", "not locked") for drift in found):
        yield "run `mesh lock` and review what changes"
