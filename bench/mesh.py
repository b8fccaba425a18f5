"""A mesh of a large company, made up: 400 servers, 120 virtual MCPs, 300 bindings, 60 roles, about 10,000 lines, and its locks."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

from meshplan.compiler.lockfile import ServerLock, lock_path, locked, write_lock
from meshplan.schemas.capability import CapabilityKey

SERVERS, VIRTUAL, BINDINGS, ROLES, TEAMS = 400, 120, 300, 60, 80
TOOLS = 12
AREAS = ("billing", "catalog", "crm", "docs", "files", "hr", "mail", "metrics", "notes", "search", "tickets", "wiki")
NOUNS = ("account", "asset", "contract", "customer", "entry", "event", "invoice", "item", "order", "record", "report")
VERBS = (("list", "read"), ("get", "read"), ("search", "read"), ("create", "write"), ("update", "write"), ("delete", "destructive"))  # fmt: skip


def write_mesh(root: Path, seed: int = 1) -> str:
    """Write mesh.yaml and mesh.lock below ``root``; returns the text of mesh.yaml."""
    rng = random.Random(seed)
    names = [f"{AREAS[number % len(AREAS)]}-{number}" for number in range(SERVERS)]
    tools = {name: tool_names(number) for number, name in enumerate(names)}
    text = mesh_text(rng, names, tools)
    for number, name in enumerate(names):
        path = root / lock_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lock_text(name, number, tools[name]))
    (root / "mesh.yaml").write_text(text)
    return text


def tool_names(number: int) -> list[str]:
    first, second = NOUNS[number % len(NOUNS)], NOUNS[(number * 7 + 3) % len(NOUNS)]
    nouns = (first, second if second != first else "note")
    return [f"{verb}_{noun}" for noun in nouns for verb, _ in VERBS][:TOOLS]


def lock_text(name: str, number: int, tools: list[str]) -> str:
    definitions = {CapabilityKey(name, "tool", tool): locked(definition(tool)) for tool in tools}
    identity: dict[str, Any] = (
        {"kind": "http", "url": f"https://{name}.example/mcp"}
        if number % 3
        else {"kind": "stdio", "argv": ["python", "-m", name.replace("-", "_")], "cwd": "."}
    )
    info = {"name": name, "version": "1.4.2"}
    return write_lock(ServerLock(name, identity, "2026-07-28", info, {"tools": {}}, None, definitions))


def definition(tool: str) -> dict[str, Any]:
    verb, noun = tool.split("_")
    effect = dict(VERBS)[verb]
    properties: dict[str, Any] = {
        "id": {"type": "string", "description": f"which {noun} is meant, as {tool} of the same server gives it"},
        "query": {"type": "string", "description": "words that must occur, in any order; quotes keep them together"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "description": "how many to return at most"},
        "owner": {"type": "string", "description": "the account that owns it; left out, the caller's own"},
        "state": {"type": "string", "enum": ["open", "closed", "archived"], "description": "in which state it must be"},
        "data": {"type": "object", "properties": {"title": {"type": "string"}, "tags": {"type": "array"}}},
    }
    return {
        "name": tool,
        "title": tool.replace("_", " "),
        "description": f"{verb} {noun}s: a made-up tool with a description of the usual length, which says what "
        "happens, what comes back, and what the caller should do with it next",
        "inputSchema": {"type": "object", "properties": properties, "required": ["id"]},
        "annotations": {"readOnlyHint": effect == "read", "destructiveHint": effect == "destructive"},
    }


def mesh_text(rng: random.Random, names: list[str], tools: dict[str, list[str]]) -> str:
    parts = ["mesh: v1\nname: acme\n", "servers:\n"]
    parts += [server(name, number, tools[name]) for number, name in enumerate(names)]
    parts.append("bindings:\n")
    parts += [binding(f"b-{number}", names[number], tools[names[number]]) for number in range(BINDINGS)]
    parts.append("virtual:\n")
    parts += [virtual(rng, number, names, tools) for number in range(VIRTUAL)]
    parts.append(identity())
    parts.append("roles:\n")
    parts += [role(rng, number, names, tools) for number in range(ROLES)]
    parts.append("grants:\n")
    parts += [f"  - role: role-{n % ROLES}\n    to:\n      - team: team-{n % TEAMS}\n" for n in range(TEAMS)]
    parts.append("budgets:\n")
    parts += [f"  month-{n}:\n    of: {{team: team-{n}}}\n    limit: 1000 calls\n    per: month\n" for n in range(60)]
    return "".join(parts)


def server(name: str, number: int, tools: list[str]) -> str:
    how = f"http: https://{name}.example/mcp" if number % 3 else f"stdio: [python, -m, {name.replace('-', '_')}]"
    more = "    headers:\n      X-Team: platform\n" if number % 3 else "    env:\n      LOG: info\n"
    return (
        f"  {name}:\n    {how}\n{more}    timeout: {10 + number % 50}s\n    retry:\n      attempts: 3\n      backoff: 200ms\n"
        f"    effects:\n      destructive: [{tools[5]}]\n    tags:\n      private-data: [get_*]\n"
    )


def binding(name: str, provider: str, tools: list[str]) -> str:
    return (
        f"  {name}:\n    contract: collection/v1\n    as: {name.replace('-', '_')}\n    provider: {provider}\n    map:\n"
        f"      LIST:\n        tool: {tools[0]}\n        in: {{id: \"'all'\", limit: args.limit}}\n        out: {{items: result.items}}\n"
        f"      GET:\n        tool: {tools[1]}\n        in: {{id: args.id}}\n        out: {{item: result}}\n"
    )


def virtual(rng: random.Random, number: int, names: list[str], tools: dict[str, list[str]]) -> str:
    chosen = rng.sample(names, 4)
    lines = [f"  desk-{number}:\n    description: what team {number} works with\n    include:\n"]
    for index, name in enumerate(chosen):
        lines.append(
            f"      - server: {name}\n        tools: [get_*, list_*, {tools[name][3]}]\n        prefix: p{index}_\n"
        )
    lines.append(f"      - binding: b-{number}\n        prefix: b_\n")
    tool = f"p0_{tools[chosen[0]][3]}"
    lines.append(f"    tools:\n      {tool}:\n        description: as the team calls it\n        set: {{owner: team}}\n")
    return "".join(lines)


def identity() -> str:
    teams = "".join(f"    team-{n}:\n      issuer: corp\n      claim: groups\n      has: t{n}\n" for n in range(TEAMS))
    return f"identity:\n  issuers:\n    corp: {{jwt: https://idp.example}}\n  teams:\n{teams}"


def role(rng: random.Random, number: int, names: list[str], tools: dict[str, list[str]]) -> str:
    lines = [f"  role-{number}:\n    allow:\n      - tools: {{effect: read}}\n      - binding: b-{number}\n"]
    for name in rng.sample(names, 5):
        lines.append(
            f"      - server: {name}\n        tools: [{tools[name][3]}, {tools[name][4]}]\n"
            f"        when: \"has(args.owner) && args.owner == 'team' && args.id != ''\"\n"
        )
    lines.append("    deny:\n      - effect: destructive\n")
    return "".join(lines)


def with_typos(text: str, count: int, seed: int = 2) -> str:
    """The text with so many keys and names misspelt."""
    rng = random.Random(seed)
    places = [
        match
        for match in re.finditer(r"^ +(?:- )?(timeout|retry|prefix|effects|provider|server|tools): ?(\S*)", text, re.MULTILINE)
        if match[1] != "server" or match[2] in text
    ]
    for match in sorted(rng.sample(places, count), key=lambda found: found.start(), reverse=True):
        group = 2 if match[1] in ("server", "provider") else 1
        start, word = match.start(group), match[group]
        at = rng.randrange(1, len(word) - 1)
        text = text[: start + at] + text[start + at + 1 :]
    return text
