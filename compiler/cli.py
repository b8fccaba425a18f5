"""The `mesh` command: finds a subcommand, loads only that, and turns whatever happens into an exit code."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from meshplan.compiler import exits

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
"""What is installed beside us has no say in how a mesh is read, and is not looked for."""

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "make a mesh.yaml from the client configurations found"),
    "import": ("import_", "add the servers of client and gateway configurations to mesh.yaml"),
    "client": ("client", "print a client's entry for an endpoint, or write it into the client's file"),
    "validate": ("validate", "check mesh.yaml and mesh.lock; touches no network"),
    "fmt": ("fmt", "bring the files into their one layout"),
    "lock": ("lock", "record the definitions of the servers' capabilities"),
    "drift": ("drift", "compare what the servers offer now with what is locked"),
    "plan": ("plan", "compile, and show or write the plan"),
    "diff": ("diff", "show who gains and who loses what between two meshes"),
    "test": ("test", "run the access tests against the plan that would be served"),
    "why": ("why", "say why a caller may or may not do something, and what would change it"),
    "who-can": ("who_can", "list everybody who can reach a capability"),
    "graph": ("graph", "draw the mesh as Mermaid, DOT or JSON"),
    "apply": ("apply", "publish a plan to a store"),
    "keygen": ("keygen", "make an API key, of which the mesh keeps the hash only"),
    "serve": ("serve", "serve a plan or a store"),
    "stdio": ("stdio", "serve one virtual MCP over standard input and output"),
    "up": ("up", "lock what is not locked, compile, serve on loopback, reload on every change"),
    "usage": ("usage", "who used what: calls, tokens, cost and durations by any dimension"),
    "tail": ("tail", "show attempts as they end"),
    "trace": ("trace", "everything that is recorded of one attempt, call or trace"),
    "ledger": ("ledger", "verify the ledger's chains, or export its entries"),
    "lsp": ("lsp", "the language server for editors, over standard input and output"),
    "explain": ("explain", "say what a diagnostic means and how to resolve it"),
    "schema": ("schema", "print the JSON Schema of mesh.yaml or of the plan"),
}


LONG_LIVED = frozenset({"serve", "stdio", "up", "lsp", "init", "tail"})
"""Commands that go on until they are told to stop, or start one that does."""


class LazyGroup(click.Group):
    """Imports a command's module when it is used, so that `validate` pays for nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which one meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found: Any = import_module(f"meshplan.compiler.commands.{COMMANDS[cmd_name][0]}")
        return found.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the command that was meant."""
        from meshplan.compiler.suggest import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            advice = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"there is no command `{args[0]}`" + (f"; {advice}" if advice else ""), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C", "--directory", type=click.Path(path_type=Path, file_okay=False), default=".", help="run in this folder"
)
@click.option("-f", "--file", default="mesh.yaml", show_default=True, help="the mesh's file, relative to the folder")
@click.option("--env", "environment", metavar="NAME", help="compile this environment of the mesh")
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="give a parameter a value")
@click.version_option(package_name="meshplan")
@click.pass_context
def mesh(ctx: click.Context, directory: Path, file: str, environment: str | None, parameters: tuple[str, ...]) -> None:
    """GitOps for MCP: describe servers, virtual MCPs and access in files; review, compile, serve."""
    from meshplan.compiler.project import Project

    if not directory.is_dir():
        raise click.UsageError(f"there is no folder `{directory}`")
    pairs = [text.partition("=") for text in parameters]
    if any(not name or not equals for name, equals, _ in pairs):
        raise click.UsageError("--param wants NAME=VALUE")
    ctx.obj = Project(directory.resolve(), file, environment, {name: value for name, _, value in pairs})


def main() -> None:
    """Run `mesh`; never ends in a traceback unless MESH_TRACEBACK is set."""
    if not LONG_LIVED.intersection(sys.argv[1:]):
        gc.disable()  # a compilation makes much and drops little: looking for cycles would cost a third of it
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        result: Any = mesh.main(args=arguments, prog_name="mesh", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return exits.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return exits.USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except Exception as error:
        if os.environ.get("MESH_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            reason = (error.strerror or "the reason is not known").lower()
            click.echo(f"error: `{error.filename}` cannot be used: {reason}", err=True)
            return exits.COULD_NOT_CHECK
        click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
        click.echo("this is a bug in mesh; run again with MESH_TRACEBACK=1 for the details to report", err=True)
        return exits.INTERNAL
    return result if isinstance(result, int) else exits.OK
