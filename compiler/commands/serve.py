"""`mesh serve`: start the runtime, as a process of its own, in place of this one."""

from __future__ import annotations

from pathlib import Path

import click

from meshplan.compiler.project import Project
from meshplan.compiler.runtime_process import become
from meshplan.schemas.store import DEFAULT_CHANNEL


@click.command("serve")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path, dir_okay=False), help="serve this plan file")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False), help="follow a channel of this store")
@click.option("--channel", default=DEFAULT_CHANNEL, show_default=True)
@click.option("--listen", metavar="HOST:PORT", help="instead of the plan's `runtime.listen`")
@click.option("--admin-listen", metavar="HOST:PORT", help="instead of the plan's `runtime.admin_listen`")
@click.option("--local", is_flag=True, help="also let in whoever has the local secret, from this machine only")
@click.option("--insecure-unsigned", is_flag=True, help="serve an unsigned plan beyond loopback")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="processes on one port")
@click.pass_obj
def command(
    project: Project,
    plan_file: Path | None,
    store: Path | None,
    channel: str,
    listen: str | None,
    admin_listen: str | None,
    local: bool,
    insecure_unsigned: bool,
    workers: int,
) -> int:
    """Serve a plan file, or follow a store and swap to each new plan without dropping a call."""
    if (plan_file is None) == (store is None):
        raise click.UsageError("give exactly one of --plan and --store")
    words = ["serve", "--root", str(project.root)]
    if plan_file is not None:
        words += ["--plan", str(project.root / plan_file)]
    if store is not None:
        words += ["--store", str(project.root / store), "--channel", channel]
    if listen is not None:
        words += ["--listen", listen]
    words += [] if admin_listen is None else ["--admin-listen", admin_listen]
    words += ["--workers", str(workers)] if workers > 1 else []
    words += ["--local"] if local else []
    words += ["--insecure-unsigned"] if insecure_unsigned else []
    return become(words)
