"""The first mesh.yaml of a folder where there is nothing to import, and the schema that its first line names."""

from __future__ import annotations

from pathlib import Path

from meshplan.compiler.files import write_atomically
from meshplan.compiler.importers import yamltext
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.write import SCHEMA
from meshplan.compiler.schema import schema_text

_STARTER = """\
# yaml-language-server: $schema=MODELINE
# `mesh up` serves this on this machine and reloads on every change; `mesh validate` says what is wrong with it.
mesh: v1
name: MESH_NAME

# Where tools come from: a program that is started here (`stdio`) or a URL (`http`). A program gets only the variables
# that its `env` declares, as in `env: {GITHUB_TOKEN: {env: GITHUB_TOKEN}}`; no secret stands in this file.
servers:
  reference: # the protocol's own reference server, to try things with: put yours in its place
    stdio: [npx, -y, "@modelcontextprotocol/server-everything@2026.8.31"]
    effects: {read: [echo, get-sum]} # what it does not say itself; a tool of an undeclared effect counts as destructive

# What clients see: each entry is an endpoint, http://127.0.0.1:8700/mcp/main; `mesh up` prints what to paste.
virtual:
  main:
    strategy: passthrough
    include:
      - {server: reference, tools: {effect: read}}

identity:
  local: {teams: [developers]} # whom `mesh up` and `mesh stdio` take the caller for
  teams:
    developers: {}

# Who may call what; what is not allowed here is refused.
roles:
  developer:
    allow:
      - {server: reference, tools: {effect: read}}

grants:
  - {role: developer, to: [{team: developers}]}
"""


def starter_text(name: str) -> str:
    """Return a whole mesh.yaml with one server, one endpoint, and one role, read-only, for a mesh of this name."""
    return _STARTER.replace("MODELINE", SCHEMA).replace("MESH_NAME", yamltext.text(slug(name)))


def write_schema(root: Path) -> bool:
    """Write the schema that the first line of a new mesh names, unless a file is there; tell whether it was written."""
    target = root / SCHEMA
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, schema_text("mesh", "7").encode())
    return True
