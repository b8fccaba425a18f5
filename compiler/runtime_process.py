"""Starting the runtime: always a process of its own, never an import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from meshplan.schemas.plan import Server

_RUNTIME = (sys.executable, "-m", "meshplan.runtime")


def become(words: list[str]) -> NoReturn:
    """Replace this process by the runtime."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(_RUNTIME[0], [*_RUNTIME, *words])


def start(words: list[str]) -> subprocess.Popen[bytes]:
    """Start the runtime beside this process."""
    return subprocess.Popen([*_RUNTIME, *words], stdin=subprocess.DEVNULL)


def probe(
    servers: Mapping[str, Server], *, root: str, timeout_ms: int, private_networks: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Ask servers for their definitions; one answer a server, in the order in which they come.

    An answer is ``{"server", "ok": true, …}`` or ``{"server", "ok": false, "kind", "message"}``.
    """
    asked = {
        "servers": {name: server.model_dump(mode="json") for name, server in servers.items()},
        "root": root,
        "timeout_ms": timeout_ms,
        "private_networks": list(private_networks),
    }
    with subprocess.Popen([*_RUNTIME, "probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the runtime has no pipes")
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        answered: set[str] = set()
        for line in process.stdout:
            try:
                answer: dict[str, Any] = json.loads(line)
            except RecursionError:  # a definition that is nested without end; its server counts as not having answered
                continue
            answered.add(str(answer["server"]))
            yield answer
    for name in servers:
        if name not in answered:
            yield {"server": name, "ok": False, "kind": "protocol", "message": "the runtime ended without an answer"}


def ship(url: str, lines: Iterable[str]) -> bool:
    """Send OTLP requests to a collector; whether it took all of them, and otherwise stderr says why."""
    with subprocess.Popen([*_RUNTIME, "ship", url], stdin=subprocess.PIPE, text=True) as process:
        if process.stdin is None:
            raise RuntimeError("the runtime has no pipes")
        with suppress(BrokenPipeError):  # it has ended, and said why
            process.stdin.writelines(f"{line}\n" for line in lines)
        with suppress(BrokenPipeError):
            process.stdin.close()
    return process.returncode == 0
