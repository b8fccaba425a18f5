"""Every feature between every revision of clients and both eras of servers, over HTTP and pipes: kept as promised."""

import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import yaml
from era_upstream import OFFERED
from era_wires import CAPABILITIES, Absent, HttpWire, runtime, stdio
from features import FEATURES
from plans import Draft

from meshplan.schemas.bundle import pack
from meshplan.schemas.carriage import FRONTS, IMPOSSIBLE
from meshplan.schemas.plan import HttpTransport, StdioTransport

HERE = Path(__file__).parent
ERAS, TRANSPORTS = ("legacy", "modern"), ("http", "stdio")
RELAYS = ("completions", "logging", "subscribe", "tasks")


@dataclass(frozen=True)
class Combination:
    front: str
    front_over: str
    upstream: str
    upstream_over: str

    @property
    def server(self):
        return f"{self.upstream}-{self.upstream_over}"

    def __str__(self):
        return f"{self.front}-{self.front_over}-to-{self.server}"

    def matches(self, exception):
        """Whether an exception of the manifest is about this."""
        found = {"front": self.front, "upstream": self.upstream}
        overs = {"front_over": self.front_over, "upstream_over": self.upstream_over}
        return all(value in map(str, exception.get(name, [value])) for name, value in found.items()) and all(
            exception.get(name, value) == value for name, value in overs.items()
        )

    def lacks(self, gap):
        """Whether the compiler says that this cannot be carried here."""
        return self.front in gap.fronts and gap.concerns(self.upstream, self.upstream_over)


COMBINATIONS = [Combination(*found) for found in product(CAPABILITIES, TRANSPORTS, ERAS, TRANSPORTS)]
PROMISES = yaml.safe_load((HERE / "promises.yaml").read_text())


def state(name, combination):
    """What is promised: `kept`, `impossible` or `owed`."""
    if any(combination.lacks(gap) for gap in IMPOSSIBLE if gap.feature == name):
        return "impossible"
    return "owed" if any(map(combination.matches, PROMISES[name].get("except", ()))) else "kept"


@dataclass(frozen=True)
class Grounds:
    """The servers, the mesh before all of them over HTTP, and a plan for each alone."""

    folder: Path
    base: str

    def bell(self, server):
        return self.folder / server / "bell"


@contextmanager
def process(*command):
    """A process that says on a line where it serves; yields that line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        try:
            said = next(line for line in started.stdout if line.startswith(("ready", "serving")))
            # What nobody reads would make the process wait.
            threading.Thread(target=started.stdout.read).start()
            yield said
        finally:
            started.terminate()
            started.wait(20)


def nobodys(feature, era, over):
    """Whether no client gets it, so that the plan does not say that the server has it."""
    return any(gap.feature == feature and gap.fronts == FRONTS and gap.concerns(era, over) for gap in IMPOSSIBLE)


def draft(transports):
    found = Draft(local=("user:ann",))
    found.key("ann", "user:ann")
    found.grant("all", "user:ann")
    for server, transport in transports.items():
        relays = tuple(word for word in RELAYS if not nobodys(word, *server.split("-")))
        found.server(server, transport, relays=relays, sessions="per_client", timeout_ms=20_000)
        for kind, definitions in OFFERED.items():
            for definition in definitions:
                key = found.define(server, kind, definition)
                found.offer(server, key)
                found.allow("all", key)
        found.live[server] = (server,)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def grounds(tmp_path_factory):
    folder, transports = tmp_path_factory.mktemp("matrix"), {}
    with ExitStack() as stack:
        for era, over in product(ERAS, TRANSPORTS):
            server = f"{era}-{over}"
            bell = folder / server / "bell"
            bell.parent.mkdir()
            bell.touch()
            argv = (sys.executable, str(HERE / "era_upstream.py"), era, str(bell))
            if over == "http":
                port = free_port()
                stack.enter_context(process(*argv, str(port)))
                transports[server] = HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None)
            else:
                transports[server] = StdioTransport(argv=argv, env={}, cwd=".")
            (folder / f"{server}.json").write_text(pack(draft({server: transports[server]}).bundle()))
        (folder / "all.json").write_text(pack(draft(transports).bundle()))
        said = stack.enter_context(process(*runtime("serve", "--listen", "127.0.0.1:0", "--plan", folder / "all.json")))
        yield Grounds(folder, "/".join(said.split()[1].split("/")[:3]).rstrip(","))


@pytest.fixture(scope="module", params=COMBINATIONS, ids=str)
def combination(request):
    return request.param


@pytest.fixture(scope="module")
def wire(grounds, combination):
    if combination.front_over == "http":
        found = HttpWire(f"{grounds.base}/mcp/{combination.server}", combination.front)
    else:
        plan = grounds.folder / f"{combination.server}.json"
        found = stdio(runtime("stdio", combination.server, "--plan", plan), combination.front)
    found.start()
    yield found
    found.close()


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_carried_as_promised(grounds, combination, wire, name):
    def check():
        FEATURES[name](wire, grounds.bell(combination.server))

    match state(name, combination):
        case "kept":
            check()
        case "impossible":
            with pytest.raises(Absent):
                check()
        case "owed":
            with pytest.raises((Absent, AssertionError)):
                check()


def test_the_manifest_names_every_feature_with_its_source_and_every_exception_with_its_reason():
    assert PROMISES.keys() == FEATURES.keys()
    for promise in PROMISES.values():
        assert promise["spec"].startswith("https://")
        for exception in promise.get("except", ()):
            assert exception["why"]
            assert any(found.matches(exception) for found in COMBINATIONS)
    for gap in IMPOSSIBLE:
        assert gap.feature in PROMISES
        assert gap.why
        assert any(found.lacks(gap) for found in COMBINATIONS)
