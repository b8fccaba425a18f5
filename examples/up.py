"""Behind `make up`: start the example's two HTTP servers, then `mesh up` on mesh.yaml.example, and end all together."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVERS = {"tickets": 8701, "catalog": 8702}
PATIENCE_S = 30.0


def main() -> int:
    """Run until interrupted; the exit code is that of `mesh up`."""
    busy = [port for port in SERVERS.values() if answers(port)]
    if busy:
        print(f"port {busy[0]} is in use: end what listens there, then try again", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    children = [start(name, port) for name, port in SERVERS.items()]
    try:
        wait_for(list(SERVERS.values()))
        mesh = subprocess.Popen([sys.executable, "-c", MESH, "-f", "mesh.yaml.example", "up", *sys.argv[1:]], cwd=ROOT)
        children.insert(0, mesh)
        return mesh.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        end(children)


MESH = "from meshplan.compiler.cli import main; main()"


def start(name: str, port: int) -> subprocess.Popen[bytes]:
    """One example server as a process of its own."""
    script = str(ROOT / "examples" / "servers" / f"{name}.py")
    data = str(ROOT / ".mesh" / "examples")
    return subprocess.Popen([sys.executable, script, "--data", data, "--port", str(port)], cwd=ROOT)


def wait_for(ports: list[int]) -> None:
    """Until every port answers, within PATIENCE_S."""
    until = time.monotonic() + PATIENCE_S
    while not all(answers(port) for port in ports):
        if time.monotonic() > until:
            raise SystemExit("an example server did not start")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask all to end, wait, and insist where one does not."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()


if __name__ == "__main__":
    sys.exit(main())
