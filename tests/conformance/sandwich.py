"""The command that the official suite runs as its client: the mesh before the suite's own server, and a client of the mesh."""

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
from driver import DEEDS, drive
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from stand import KEY, MESH, SUBJECTS, free_port, process, wait_for

from meshplan.compiler.cli import run

PREFIX = "up_"
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


def server_of(url, version, context, folder):
    """What mesh.yaml says of the suite's server, as JSON, which is YAML, too."""
    found = {"http": url, "timeout": "10s"}
    if version not in MODERN_PROTOCOL_VERSIONS:
        found["sessions"] = "per_client"
    if "client_secret" in context:
        secret = folder / "secret"
        secret.write_text(context["client_secret"])
        found["auth"] = {
            "oauth": {
                "token_url": token_url(url),
                "client_id": context["client_id"],
                "client_secret": {"file": str(secret)},
            }
        }
    return json.dumps(found)


def token_url(url):
    """What an operator would look up (RFC 9728, RFC 8414): mesh.yaml names the token endpoint itself."""
    base, _, path = url.partition("/mcp")
    resource = httpx2.get(f"{base}/.well-known/oauth-protected-resource/mcp{path}").raise_for_status().json()
    issuer = resource["authorization_servers"][0].rstrip("/")
    metadata = httpx2.get(f"{issuer}/.well-known/oauth-authorization-server").raise_for_status().json()
    return metadata["token_endpoint"]


def main():
    kind, url = KINDS[sys.argv[1]], sys.argv[2]
    scenario = os.environ["MCP_CONFORMANCE_SCENARIO"]
    version = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
    context = os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandwich-")))
        server = server_of(url, version, json.loads(context), folder)
        (folder / "mesh.yaml").write_text(kind.text.format(server=server) + SUBJECTS)
        for words in (["lock"], ["plan", "--out", str(folder / "plan.mesh")]):
            if run(["-C", str(folder), *words]):
                raise SystemExit(f"mesh {words[0]} does not do")
        port, log = free_port(), folder / "mesh.log"
        command = [*MESH, "serve", "--plan", "plan.mesh", "--listen", f"127.0.0.1:{port}"]
        wait_for(port, stack.enter_context(process(*command, cwd=folder, log=log)), log)
        # A client without the scenario's deed is one that cannot do it, as the list of what is expected says.
        deed = scenario if scenario in DEEDS else "initialize"
        anyio.run(drive, f"http://127.0.0.1:{port}/mcp/all", KEY, deed, version, context, kind.prefix)


if __name__ == "__main__":
    main()
