"""`mesh client`: what a client needs to know of one endpoint, to paste or merged into its own file."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from meshplan.compiler import exits
from meshplan.compiler.clients import CLIENTS, Client, Snippet, merge, snippet
from meshplan.compiler.clients.existing import holds_another, texts
from meshplan.compiler.clients.places import configuration_file
from meshplan.compiler.covering import cover_values
from meshplan.compiler.files import replace_text
from meshplan.compiler.importers import ImportProblem
from meshplan.compiler.importing import ImportFailedError
from meshplan.compiler.project import Project, show
from meshplan.compiler.render.unified import unified
from meshplan.compiler.suggest import did_you_mean
from meshplan.schemas.plan import Plan

_STARTS_ONLY = "claude-desktop"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The entry that a client's file should have."""

    client: Client
    name: str
    endpoint: str
    url: str
    key_env: str | None
    stdio: tuple[str, ...]
    token: str | None

    def snippet(self) -> Snippet:
        """Text to paste."""
        return snippet(
            self.client.id, self.name, self.url, token_env=self.key_env, stdio_command=self.stdio, token=self.token
        )

    def merged(self, existing: str | None) -> str:
        """The client's file with this entry; raises ImportProblem where the name stands for something else there."""
        if existing is not None and holds_another(self.client, existing, self.name, self.endpoint):
            message = f"`{self.name}` is there already, and is not an entry of this mesh"
            raise ImportProblem(1, 1, message, "write beside it with `--name`")
        return merge(
            self.client.id,
            existing,
            self.name,
            self.url,
            token_env=self.key_env,
            stdio_command=self.stdio,
            token=self.token,
        )


@click.command("client")
@click.argument("client", metavar="CLIENT")
@click.argument("endpoint", required=False)
@click.option("--write", is_flag=True, help="merge the entry into the client's file")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="the client's file, where it is another")
@click.option("--name", help="the entry's name; the endpoint's when left out")
@click.option("--url", metavar="BASE", help="instead of `runtime.public_url`, or `runtime.listen`")
@click.option("--key-env", metavar="NAME", help="the variable that holds the key, where the client can read one")
@click.option("--stdio", is_flag=True, help="let the client start `mesh stdio` instead of connecting")
@click.option("--local", is_flag=True, help="put the local secret of `mesh up` in; for this machine only")
@click.pass_obj
def command(
    project: Project,
    client: str,
    endpoint: str | None,
    write: bool,
    file: Path | None,
    name: str | None,
    url: str | None,
    key_env: str | None,
    stdio: bool,
    local: bool,
) -> int:
    """Print the entry of ENDPOINT for CLIENT: cursor, vscode, claude-code, claude-desktop or codex.

    With --write the entry is merged into the client's file, after the difference was shown on stderr; with --file alone the
    difference is printed. Nothing else in that file changes, and none of its values is shown.
    """
    _refuse(client, key_env, stdio=stdio, local=local)
    compiled = project.compile()
    if compiled.bundle is None:
        return show(compiled)
    plan = compiled.bundle.plan
    chosen = _endpoint(plan, endpoint)
    wanted = _Wanted(
        client=CLIENTS[client],
        name=name or chosen,
        endpoint=chosen,
        url=f"{(url or base_url(plan)).rstrip('/')}/mcp/{chosen}",
        key_env=key_env,
        stdio=_stdio_command(project, chosen) if stdio or client == _STARTS_ONLY else (),
        token=_local_secret(project) if local else None,
    )
    merging = write or file is not None
    code = _merge(project, wanted, file, write=write) if merging else _print(wanted)
    if code == exits.OK:
        _advise(wanted)
    return code


def _refuse(client: str, key_env: str | None, *, stdio: bool, local: bool) -> None:
    if client not in CLIENTS:
        raise click.UsageError(_unknown("client", client, list(CLIENTS)))
    if sum((key_env is not None, stdio, local)) > 1:
        raise click.UsageError("give at most one of --key-env, --stdio and --local")
    if client == _STARTS_ONLY and (key_env is not None or local):
        raise click.UsageError(
            "Claude Desktop starts `mesh stdio`, which needs no key: leave --key-env and --local out"
        )


def base_url(plan: Plan) -> str:
    """Where clients find the mesh: its public URL, else the address that it listens on, seen from this machine."""
    if plan.runtime.public_url:
        return plan.runtime.public_url
    host, _, port = plan.runtime.listen.rpartition(":")
    seen = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"http://{seen}:{port}"


def _endpoint(plan: Plan, name: str | None) -> str:
    names = sorted(plan.endpoints)
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        known = ", ".join(f"`{known}`" for known in names)
        raise click.UsageError(f"name one of the virtual MCPs: {known}" if names else "the mesh has no virtual MCP")
    if name not in plan.endpoints:
        raise click.UsageError(_unknown("virtual MCP", name, names))
    return name


def _unknown(kind: str, name: str, known: list[str]) -> str:
    advice = did_you_mean(name, known) or "known: " + ", ".join(f"`{other}`" for other in known)
    return f"there is no {kind} `{name}`; {advice}"


def _stdio_command(project: Project, endpoint: str) -> tuple[str, ...]:
    """A command that works in any folder, and without the shell's PATH, which desktop programs do not have."""
    beside = Path(sys.executable).with_name("mesh")
    program = str(beside) if beside.exists() else shutil.which("mesh") or "mesh"
    words = [] if project.entry == "mesh.yaml" else ["-f", project.entry]
    words += ["--env", project.environment] if project.environment else []
    words += [word for name, value in sorted(project.parameters.items()) for word in ("--param", f"{name}={value}")]
    return (program, "-C", str(project.root), *words, "stdio", endpoint)


def _local_secret(project: Project) -> str:
    path = project.state / "local-secret"
    if not path.exists():
        raise click.UsageError("there is no local secret yet; `mesh up` makes it when it starts")
    return path.read_text().strip()


def _print(wanted: _Wanted) -> int:
    made = wanted.snippet()
    places = " or ".join(sorted(set(made.path_hint.values())))
    click.echo(f"for {wanted.client.title}, in {places}:", err=True)
    click.echo(made.text, nl=False)
    return exits.OK


def _merge(project: Project, wanted: _Wanted, file: Path | None, *, write: bool) -> int:
    """Show what would change in the client's file, and change it with ``write``."""
    path = file if file is not None else configuration_file(wanted.client, project.root, Path.home())
    try:
        before = path.read_bytes().decode("utf-8") if path.exists() else None
        after = wanted.merged(before)
    except UnicodeDecodeError:
        click.echo(f"error: {path}:1:1: the file is not UTF-8; paste the snippet by hand", err=True)
        return exits.DIAGNOSTICS
    except ImportProblem as problem:
        click.echo(f"error: {ImportFailedError(path, problem)}", err=True)
        return exits.DIAGNOSTICS
    ours = texts(wanted.client, wanted.snippet().text)
    language = wanted.client.language
    shown = unified(str(path), before, after, covered=lambda text: cover_values(text, language, ours))
    click.echo(shown, nl=False, err=write)
    if not shown:
        click.echo(f"{path} has this entry already", err=True)
    elif write:
        replace_text(path, after, mode=0o600 if wanted.token else 0o644)
        click.echo(f"wrote {path}", err=True)
    else:
        click.echo(f"--write writes {path}", err=True)
    return exits.OK


def _advise(wanted: _Wanted) -> None:
    if not (wanted.key_env or wanted.stdio or wanted.token):
        advice = "give --key-env NAME, or --local for this machine"
        click.echo(f"note: this entry has no key, and the mesh lets nobody in without one; {advice}", err=True)
    if wanted.token:
        click.echo("note: the entry holds this machine's local secret; do not commit it", err=True)
