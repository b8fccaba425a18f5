"""The command that the official suite runs as its client: the mesh before the suite's own server, and a client of the mesh."""

import json
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx2
from driver import DEEDS, drive, sign_in
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from stand import KEY, MESH, RUNTIME, SUBJECTS, free_port, process, wait_for

from meshplan.compiler.cli import run
from meshplan.compiler.lockfile import ServerLock, locked, write_lock
from meshplan.schemas.capability import CapabilityKey

PREFIX = "up_"
TOOL = {"name": "test-tool", "inputSchema": {"type": "object"}}
PLAIN = """
mesh: v1
name: sandwich
servers:
  suite: {server}
virtual:
  all:
    include:
      - {{server: suite, tools: all, prompts: all, resources: live}}
roles:
  tester:
    allow:
      - {{server: suite, tools: all, prompts: all, resources: live}}
"""
GOVERNED = """
mesh: v1
name: sandwich
servers:
  suite: {server}
virtual:
  all:
    include:
      - {{server: suite, tools: all, prompts: all, resources: live, prefix: up_}}
roles:
  viewer:
    allow:
      - {{server: suite, prompts: all, resources: live}}
  tester:
    extends: [viewer]
    allow:
      - {{id: most, endpoint: all, server: suite, tools: {{effect: [read, write, destructive]}}}}
    deny:
      - {{server: suite, tools: all, when: "'forbidden' in args"}}
"""


@dataclass(frozen=True)
class Kind:
    """One way of putting the mesh before the suite's server."""

    text: str
    prefix: str


KINDS = {"plain": Kind(PLAIN, ""), "governed": Kind(GOVERNED, PREFIX)}


SIGN_INS = "runtime: {limits: {stream: 700ms}, sign_ins: {path: ./sign-ins}, seal_keys: [{file: ./seal}]}\n"
METADATA = "request-metadata"
MIGRATION = "auth/authorization-server-migration"
DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""Where the suite takes it that the client's metadata document is; the mesh's own is at its own URL."""


def server_of(url, version, scenario, context, folder):
    """What mesh.yaml says of the suite's server."""
    found = {"http": url, "timeout": "10s"}
    if scenario == "auth/client-credentials-basic":
        client = {"client_id": context["client_id"], "client_secret": secret(folder, context["client_secret"])}
        found["auth"] = {"oauth": {"issuer": issuer_of(url), **client}}
    elif scenario.startswith("auth/"):
        found["auth"] = {"per_user": {"issuer": issuer_of(url), **client_of(scenario, context, folder)}}
        return found
    if scenario == METADATA:
        # Its server lists nothing that a caller could ask for, and answers a call all the same.
        found["on_drift"] = "warn"
    if version not in MODERN_PROTOCOL_VERSIONS:
        found["sessions"] = "per_client"
    return found


def client_of(scenario, context, folder):
    """Who the mesh is at the suite's authorization server: whoever was registered before, else who registers itself."""
    if "client_secret" in context:
        return {"client_id": context["client_id"], "client_secret": secret(folder, context["client_secret"])}
    return {"client_id": DOCUMENT} if scenario == "auth/basic-cimd" else {"registration": "either"}


def secret(folder, value):
    (folder / "secret").write_text(value)
    return {"file": str(folder / "secret")}


def issuer_of(url):
    """What an operator would look up and declare (RFC 9728); as in 2025-03-26, the server's origin without metadata."""
    base, _, path = url.partition("/mcp")
    challenge = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}).headers.get("www-authenticate", "")
    told = re.search(r'resource_metadata="([^"]+)"', challenge)
    well_known = f"{base}/.well-known/oauth-protected-resource"
    for place in [told[1]] if told else [f"{well_known}/mcp{path}", well_known]:
        found = httpx2.get(place)
        if found.status_code == 200:
            return found.json()["authorization_servers"][0]
    return base


def write_plan(folder, kind, server):
    """The plan of a mesh before this server.

    It is locked first, or, where nobody but callers who have signed in sees a tool, or nobody at all, as if one was seen.
    """
    signing = "per_user" in server.get("auth", {})
    text = kind.text.format(server=json.dumps(server)) + SUBJECTS + (SIGN_INS if signing else RUNTIME)
    (folder / "mesh.yaml").write_text(text)
    (folder / "seal").write_text("a seal key of the suite")
    if signing or "on_drift" in server:
        key = CapabilityKey("suite", "tool", TOOL["name"])
        url = {"kind": "http", "url": server["http"]}
        lock = ServerLock("suite", url, "2025-11-25", {"name": "suite", "version": "1"}, {"tools": {}}, None)
        (folder / "mesh.lock").mkdir(exist_ok=True)
        (folder / "mesh.lock/suite.json").write_text(write_lock(replace(lock, definitions={key: locked(TOOL)})))
    elif run(["-C", str(folder), "lock"]):
        raise SystemExit("mesh lock does not do")
    if run(["-C", str(folder), "plan", "--out", str(folder / "plan.mesh")]):
        raise SystemExit("mesh plan does not do")


@contextmanager
def served(folder, port):
    """The plan in a folder, served on a port."""
    log = folder / "mesh.log"
    command = [*MESH, "serve", "--plan", "plan.mesh", "--listen", f"127.0.0.1:{port}"]
    with process(*command, cwd=folder, log=log) as started:
        wait_for(port, started, log)
        yield f"http://127.0.0.1:{port}/mcp/all"


def main():
    kind, url = KINDS[sys.argv[1]], sys.argv[2]
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    version = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    context = os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")
    # A client without the scenario's deed is one that cannot do it, as the list of what is expected says.
    deed = scenario if scenario in DEEDS else "initialize"
    with tempfile.TemporaryDirectory(prefix="sandwich-") as name:
        folder, port = Path(name), free_port()
        write_plan(folder, kind, server_of(url, version, scenario, json.loads(context), folder))
        with served(folder, port) as endpoint:
            anyio.run(drive, endpoint, KEY, deed, version, context, kind.prefix)
        if scenario == MIGRATION:
            # An issuer moves by a reviewed edit of mesh.yaml.
            write_plan(folder, kind, server_of(url, version, scenario, {}, folder))
            with served(folder, port) as endpoint:
                anyio.run(drive, endpoint, KEY, deed, version, context, kind.prefix, sign_in)


if __name__ == "__main__":
    main()
