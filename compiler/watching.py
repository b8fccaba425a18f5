"""The loop behind `mesh up`: publish to a local store that a runtime follows, watch the sources, publish again."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from types import FrameType

import click

from meshplan.compiler import exits
from meshplan.compiler.clients import CLIENTS, snippet
from meshplan.compiler.locking import Outcome, lock_servers
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project, show
from meshplan.compiler.runtime_process import start
from meshplan.compiler.store import publish
from meshplan.schemas.plan import Plan

CHANNEL = "up"
POLL_S = 0.3
_GRACE_S = 15

Stamp = dict[str, tuple[int, int]]


class Watcher:
    """Owns the runtime process for as long as `mesh up` runs."""

    def __init__(self, project: Project, *, listen: str | None, client: str) -> None:
        self._project = project
        self._listen = listen
        self._client = client
        self._stop = threading.Event()
        self._runtime: subprocess.Popen[bytes] | None = None
        self._sources: frozenset[str] = frozenset({project.entry})

    def run(self) -> int:
        """Serve until interrupted or until the runtime ends; returns an exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._asked_to_stop)
        seen = self._stamp()
        compiled = self._publish()
        seen = self._stamp() | seen  # what was written while we compiled is still news
        if compiled.bundle is None:
            return exits.DIAGNOSTICS
        self._runtime = start(self._words())
        try:
            self._announce(compiled.bundle.plan)
            return self._watch(seen, self._runtime)
        finally:
            self._end(self._runtime)

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop.set()

    def _words(self) -> list[str]:
        words = ["serve", "--local", "--root", str(self._project.root)]
        words += ["--store", str(self._store), "--channel", CHANNEL]
        return words + (["--listen", self._listen] if self._listen else [])

    @property
    def _store(self) -> Path:
        return self._project.state / "store"

    def _publish(self) -> Compiled:
        """Lock what is missing, compile, publish; on errors say so and leave what is served alone."""
        compiled = self._project.compile()
        if compiled.draft.mesh is not None:
            outcomes = lock_servers(self._project, compiled.draft, missing=True, say=_say)
            if any(outcome.state in ("new", "changed") for outcome in outcomes):
                compiled = self._project.compile()
        self._sources = frozenset({self._project.entry, *compiled.texts})
        show(compiled)
        if compiled.bundle is not None:
            published = publish(self._store, compiled.bundle, channel=CHANNEL)
            if published.changed and self._runtime is not None:
                click.echo(f"published #{published.pointer.seq} {published.pointer.plan}", err=True)
        return compiled

    def _watch(self, seen: Stamp, runtime: subprocess.Popen[bytes]) -> int:
        while not self._stop.wait(POLL_S):
            ended = runtime.poll()
            if ended is not None:
                click.echo(f"the runtime ended with exit code {ended}", err=True)
                return ended if ended > 0 else exits.INTERNAL
            now = self._stamp()
            if now != seen:
                self._publish()
                seen = self._stamp() | now
        return exits.OK

    def _stamp(self) -> Stamp:
        """Modification time and size of every source, and of the folders where a new one may be included from."""
        root = self._project.root
        folders = {Path(name).parent.as_posix() for name in self._sources}
        locks = (path.relative_to(root).as_posix() for path in root.glob("mesh.lock/**/*.json"))
        names = sorted({*self._sources, *folders, *locks})
        found: Stamp = {}
        for name in names:
            try:
                status = (root / name).stat()
                found[name] = (status.st_mtime_ns, status.st_size)
            except FileNotFoundError:
                found[name] = (0, 0)
        return found

    def _announce(self, plan: Plan) -> None:
        """The endpoints and what to paste into a client."""
        address = self._listen or plan.runtime.listen
        urls = {name: f"http://{address}/mcp/{name}" for name in sorted(plan.endpoints)}
        click.echo("endpoints:")
        for name, url in urls.items():
            click.echo(f"  {name:<16} {url}")
        secret = wait_for_secret(self._project.state / "local-secret", self._stop)
        if secret is None or not urls:
            return
        name, url = next(iter(urls.items()))
        made = snippet(self._client, name, url, token=secret)
        where = " or ".join(sorted(set(made.path_hint.values())))
        click.echo(f"\nfor {self._client}, in {where}:\n{made.text}")
        others = ", ".join(client for client in CLIENTS if client != self._client)
        click.echo(f"for another client: `mesh up --client NAME`, NAME being {others}")

    def _end(self, runtime: subprocess.Popen[bytes]) -> None:
        runtime.terminate()
        try:
            runtime.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            runtime.kill()
            runtime.wait()


def wait_for_secret(path: Path, stop: threading.Event, attempts: int = 600) -> str | None:
    """The local secret, which the runtime makes when it starts the first time."""
    for _ in range(attempts):
        if path.exists():
            return path.read_text().strip()
        if stop.wait(0.1):
            break
    return None


def _say(outcome: Outcome) -> None:
    click.echo(f"lock {outcome.server}: {outcome.state}" + (f" ({outcome.detail})" if outcome.detail else ""), err=True)
