"""The runtime's own command line: ``serve``, ``stdio`` and ``probe``; the compiler's ``mesh`` starts these as processes."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio

from meshplan.runtime import app, probe
from meshplan.runtime.listen import told
from meshplan.schemas.store import DEFAULT_CHANNEL

MAX_WORKERS = 64
COULD_NOT_CHECK = 7


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(app.USAGE, f"{self.prog}: {message}\n")


class _Arguments(argparse.Namespace):
    command: str = ""
    name: str = ""
    plan: Path | None = None
    store: Path | None = None
    channel: str = DEFAULT_CHANNEL
    root: Path = Path()
    listen: str | None = None
    admin_listen: str | None = None
    local: bool = False
    insecure_unsigned: bool = False
    workers: int = 1


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 1 to {MAX_WORKERS}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m meshplan.runtime", description="Serve a compiled plan.")
    commands = parser.add_subparsers(dest="command", required=True)
    source = _Parser(add_help=False)
    which = source.add_mutually_exclusive_group(required=True)
    which.add_argument("--plan", type=Path, metavar="FILE", help="a plan file")
    which.add_argument("--store", type=Path, metavar="DIR", help="a directory store, which is followed")
    source.add_argument("--channel", help="channel of the store (default: %(default)s)", default=DEFAULT_CHANNEL)
    source.add_argument("--root", type=Path, metavar="DIR", help="the mesh's folder (default: here)", default=Path())
    serve = commands.add_parser("serve", parents=[source], help="serve every virtual MCP over HTTP")
    serve.add_argument("--listen", metavar="HOST:PORT", help="overrides the plan")
    serve.add_argument("--admin-listen", metavar="HOST:PORT", help="overrides the plan")
    serve.add_argument("--local", action="store_true", help="take the local profile, with its secret")
    serve.add_argument("--insecure-unsigned", action="store_true", help="serve an unsigned plan to other machines")
    serve.add_argument("--workers", type=_count, metavar="N", help="processes on one port (default: 1)", default=1)
    stdio = commands.add_parser("stdio", parents=[source], help="serve one virtual MCP on standard input and output")
    stdio.add_argument("name", metavar="NAME", help="the virtual MCP")
    ship = commands.add_parser("ship", help="send OTLP requests, one a line of standard input, to a collector")
    ship.add_argument("name", metavar="URL")
    commands.add_parser("probe", help="ask servers what they offer, for the lock")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    found = _parser().parse_args(argv, namespace=_Arguments())
    if found.command == "ship":
        return _ship(found.name)
    if found.command == "probe":
        return anyio.run(probe.main_probe, sys.stdin.read(), _print_line)
    source = app.Source(found.plan, found.store, found.channel, found.root.absolute())
    if found.command == "stdio":
        work = partial(app.stdio, source, found.name)
    else:
        work = partial(
            app.serve,
            source,
            found.listen,
            local=found.local,
            insecure_unsigned=found.insecure_unsigned,
            admin_listen=found.admin_listen,
        )
    try:
        if found.workers > 1:
            from meshplan.runtime.supervisor.supervise import supervise

            wanted = partial(supervise, source, found.listen, found.workers)
            return wanted(local=found.local, insecure_unsigned=found.insecure_unsigned, admin_listen=found.admin_listen)
        return anyio.run(work, backend_options={"use_uvloop": sys.platform != "win32"})
    except (app.StartError, BaseExceptionGroup) as error:
        code = told(error)
        if code is None:
            raise
        return code
    except KeyboardInterrupt:
        return app.INTERRUPTED


def _ship(url: str) -> int:
    from meshplan.runtime.ledger.ship import ship

    why = ship(url, (line.rstrip("\n") for line in sys.stdin))
    if why is not None:
        sys.stderr.write(f"error: {why}\n")
    return app.OK if why is None else COULD_NOT_CHECK


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
