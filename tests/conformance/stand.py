"""What is measured: the fixture, and the mesh in front of it with plans of its own, as processes on loopback."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
KEY = "conformance-suite-key"
START_SECONDS = 60.0
MESH = [sys.executable, "-m", "meshplan.compiler"]

SUBJECTS = f"""
identity:
  teams: {{testers: {{}}, others: {{}}}}
  keys:
    suite: {{sha256: {hashlib.sha256(KEY.encode()).hexdigest()}, teams: [testers]}}
grants:
  - {{role: tester, to: [{{team: testers}}]}}
"""
RUNTIME = "runtime: {limits: {stream: 700ms}}\n"
PLAIN = """
mesh: v1
name: conformance
servers:
  fixture: {{{server}, resources: ["test://*"], timeout: 20s}}
virtual:
  all:
    include:
      - {{server: fixture, tools: all, prompts: all, resources: all, templates: all}}
roles:
  tester:
    allow:
      - {{server: fixture, tools: all, prompts: all, resources: all, templates: all}}
    deny: {deny}
"""
GOVERNED = """
mesh: v1
name: conformance
servers:
  fixture: {{{server}, resources: ["test://*"], timeout: 20s}}
virtual:
  all:
    include:
      - {{server: fixture, tools: all, prompts: all, resources: all, templates: all, prefix: test_}}
    tools:
      test_json_schema_2020_12_tool: {{name: json_schema_2020_12_tool}}
roles:
  viewer:
    allow:
      - {{server: fixture, prompts: all, resources: all, templates: all}}
  tester:
    extends: [viewer]
    allow:
      - id: most
        endpoint: all
        server: fixture
        tools: ["*_text", "*_content*", "*embedded*", "*tool*", "*elicit*", "input_*", error_*, re*, missing_*, t*, extra]
      - {{id: prompts, server: fixture, tools: [sampling], when: "args.prompt.size() < 1000"}}
      - {{id: regions, server: fixture, tools: [custom_header], when: "!has(args.region) || args.region != 'forbidden'"}}
    deny: {deny}
  other:
    allow:
      - {{server: fixture, tools: [touch_resource]}}
"""
WITHOUT_EXTRA = "[{{server: fixture, tools: [{0}extra], prompts: [{0}extra_prompt]}}]"
WITH_EXTRA = "[{{server: fixture, tools: [{0}touch_resource]}}]"


@dataclass(frozen=True)
class Kind:
    """One way of putting the mesh in front: `bare` fixtures get their prefix from the mesh."""

    name: str
    text: str
    bare: bool = False
    legacy: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("plain", PLAIN),
        Kind("governed", GOVERNED, bare=True),
        Kind("legacy-upstream", PLAIN, legacy=True),
    )
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def process(*command, cwd, log):
    with log.open("w") as stream:
        started = subprocess.Popen([str(word) for word in command], cwd=cwd, stdout=stream, stderr=stream)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def wait_for(port, started, log):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and started.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}:\n{log.read_text()}")


@contextmanager
def fixture(folder, *words):
    """The fixture over HTTP; yields its port."""
    port, log = free_port(), folder / f"fixture-{free_port()}.log"
    with process(sys.executable, HERE / "fixture.py", "--port", port, *words, cwd=folder, log=log) as started:
        wait_for(port, started, log)
        yield port


@contextmanager
def mesh(folder, kind):
    """The fixture behind the mesh behind the relay that adds the credential; yields the relay's port."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pointer = folder / ".mesh/store/channels/main.json"
    words = ["--pointer", pointer, *(["--bare"] if kind.bare else []), *(["--legacy"] if kind.legacy else [])]
    with ExitStack() as stack:
        upstream = stack.enter_context(fixture(folder, *words))
        sessions = ", sessions: per_client" if kind.legacy else ""
        publish_both(folder, kind, f"http: http://127.0.0.1:{upstream}/mcp{sessions}", pointer)
        port, log = free_port(), folder / "mesh.log"
        command = [*MESH, "serve", "--store", folder / ".mesh/store", "--listen", f"127.0.0.1:{port}"]
        wait_for(port, stack.enter_context(process(*command, cwd=folder, log=log)), log)
        outside, log = free_port(), folder / "relay.log"
        relay = [sys.executable, HERE / "relay.py", outside, port, f"Authorization: Bearer {KEY}"]
        wait_for(outside, stack.enter_context(process(*relay, cwd=folder, log=log)), log)
        yield outside


def publish_both(folder, kind, server, pointer):
    """Publish the two plans that the fixture switches between; the first is the one that is served at first."""
    head = "" if kind.bare else "test_"
    for number, deny in ((2, WITH_EXTRA), (1, WITHOUT_EXTRA)):
        text = kind.text.format(server=server, deny=deny.format(head)) + SUBJECTS + RUNTIME
        (folder / "mesh.yaml").write_text(text)
        if number == 2:
            _mesh(folder, "lock")
        _mesh(folder, "apply")
        shutil.copy(pointer, pointer.with_name(f"{pointer.stem}.plan-{number}"))


def _mesh(folder, *words):
    done = subprocess.run(
        [*MESH, *words], check=False, cwd=folder, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    if done.returncode:
        raise SystemExit(f"mesh {' '.join(words)}: {done.stdout}{done.stderr}")
