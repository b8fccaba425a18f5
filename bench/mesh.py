"""A large mesh, made up: servers with locked tools, endpoints, bindings, roles and grants, about 25 lines a server."""

from __future__ import annotations

import sys
from pathlib import Path

from meshplan.compiler.lockfile import ServerLock, lock_path, locked, write_lock
from meshplan.schemas.capability import CapabilityKey

WORDS = ("issue", "file", "order", "ticket", "invoice", "page", "user", "branch", "event", "report")
VERBS = ("get", "list", "search", "create", "update", "delete")


def tool(server: int, number: int, size: int) -> dict[str, object]:
    """One tool; ``size`` is about how many bytes its description has."""
    verb, word = VERBS[number % len(VERBS)], WORDS[(server + number) % len(WORDS)]
    annotations = {"readOnlyHint": verb in ("get", "list", "search"), "destructiveHint": verb == "delete"}
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "description": f"the {word}'s number"},
            "owner": {"type": "string", "description": "who owns it", "maxLength": 100},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["id"],
    }
    text = f"{verb} one {word} of server {server}. " + f"It is the {word} that was meant. " * (size // 36)
    return {"name": f"{verb}_{word}_{number}", "description": text, "inputSchema": schema, "annotations": annotations}


def locks(servers: int, tools: int, size: int) -> dict[str, str]:
    """The lock files, by path."""
    made: dict[str, str] = {}
    for server in range(servers):
        name = f"server-{server}"
        definitions = {
            CapabilityKey(name, "tool", str(d["name"])): locked(d)
            for d in (tool(server, n, size) for n in range(tools))
        }
        identity = {"kind": "http", "url": f"https://s{server}.example/mcp"}
        lock = ServerLock(name, identity, "2026-07-28", {"name": name}, {"tools": {}}, None, definitions)
        made[lock_path(name)] = write_lock(lock)
    return made


def text(servers: int, *, tools: int = 5, endpoints: int = 120, roles: int = 60, bindings: int = 300) -> str:
    """mesh.yaml: nothing is wrong with it, and every server is offered."""
    lines = ["mesh: v1", "name: large", "servers:"]
    for s in range(servers):
        lines += [
            f"  server-{s}:",
            f"    http: https://s{s}.example/mcp",
            "    headers:",
            "      X-Team: platform",
            f"    auth: {{bearer: {{env: TOKEN_{s}}}}}",
            "    timeout: 30s",
            "    retry:",
            "      attempts: 3",
            "      backoff: 200ms",
            "    effects:",
            f"      destructive: [{VERBS[min(tools, len(VERBS)) - 1]}_*]",
        ]
    lines.append("contracts:")
    lines.append("  reader/v1:")
    lines.append("    operations:")
    lines.append("      GET: {input: {type: object, properties: {id: {type: integer}}, required: [id]}}")
    lines.append("bindings:")
    for b in range(min(bindings, servers)):
        word = WORDS[b % len(WORDS)]
        lines += [
            f"  binding-{b}:",
            "    contract: reader/v1",
            f"    as: thing-{b}",
            f"    provider: server-{b}",
            "    map:",
            "      GET:",
            f"        tool: get_{word}_0",
            "        in:",
            "          id: args.id",
        ]
    lines.append("virtual:")
    for e in range(endpoints):
        lines += [f"  endpoint-{e}:", "    strategy: passthrough", "    include:"]
        first, last = e * servers // endpoints, (e + 1) * servers // endpoints
        for s in range(first, max(last, first + 1)):
            lines += [f"      - server: server-{s}", "        tools: all", f"        prefix: s{s}_"]
        if e < bindings:
            lines.append(f"      - binding: binding-{e % min(bindings, servers)}")
    teams = ", ".join(f"team-{r}: {{}}" for r in range(roles))
    lines += ["identity:", f"  teams: {{{teams}}}", "roles:"]
    reach = max(8, -(-servers // roles))
    for r in range(roles):
        lines += [f"  role-{r}:", "    allow:"]
        for k in range(reach):
            lines += [f"      - server: server-{(r * reach + k) % servers}", "        tools: {effect: [read, write]}"]
        lines += [
            "      - when: \"args.id > 0 && 'team-0' in principal.teams\"",
            f"        server: server-{r % servers}",
            "        tools: [get_*]",
        ]
        lines += ["    deny:", "      - {effect: destructive}"]
    lines.append("grants:")
    for r in range(roles):
        lines += [f"  - role: role-{r}", "    to:", f"      - team: team-{r}"]
    return "\n".join(lines) + "\n"


def write(folder: Path, *, servers: int = 400, tools: int = 5, size: int = 200) -> Path:
    """Write the mesh and its locks."""
    (folder / "mesh.lock").mkdir(parents=True, exist_ok=True)
    (folder / "mesh.yaml").write_text(text(servers, tools=tools))
    for path, content in locks(servers, tools, size).items():
        (folder / path).write_text(content)
    return folder


if __name__ == "__main__":
    write(Path(sys.argv[1]), servers=int(sys.argv[2]), tools=int(sys.argv[3]), size=int(sys.argv[4]))
