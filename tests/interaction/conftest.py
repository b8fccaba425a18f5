import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import worlds


class Up:
    """A running `mesh up` on the example."""

    def __init__(self, folder, port, admin):
        self.folder, self.port, self.admin = folder, port, admin

    def url(self, endpoint="desk"):
        return f"http://127.0.0.1:{self.port}/mcp/{endpoint}"

    @property
    def secret(self):
        return (self.folder / ".mesh/local-secret").read_text().strip()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("up")
    ports = {number: worlds.free_port() for number in (8700, 8701, 8702, 8709)}
    worlds.example_folder(folder, ports)
    with ExitStack() as stack:
        stack.enter_context(worlds.example_server("tickets", ports[8701], folder / "data"))
        stack.enter_context(worlds.example_server("catalog", ports[8702], folder / "data"))
        log = stack.enter_context((folder / "up.log").open("wb"))
        command = (sys.executable, "-m", "meshplan.compiler", "up")
        stack.enter_context(worlds.process(*command, cwd=folder, stdout=log, stderr=log))
        worlds.ready(ports[8700])
        yield Up(folder, ports[8700], ports[8709])
