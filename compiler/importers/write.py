"""An import as the text of a first mesh.yaml: read-only to begin with, notes as comments, the same bytes every time."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from meshplan.compiler.importers import yamltext
from meshplan.compiler.importers.model import ImportedServer, Note, Plain
from meshplan.compiler.importers.names import slug
from meshplan.compiler.secrets import value_is_secret

_WIDTH: Final = 110
SCHEMA: Final = "schemas/mesh.draft7.schema.json"
"""The file that the first line of a new mesh names, for editors; relative to the mesh."""
_OPENING: Final = (
    "Only tools with the effect `read` are offered and allowed. To open up writes: run `mesh lock`, look at the effects, "
    "declare what a server does not say under its `effects` (undeclared means destructive), then widen `tools` under "
    "`virtual.main.include` and under the role, for example with `tools: [create_issue]`."
)


def mesh_data(servers: Sequence[ImportedServer], *, name: str) -> dict[str, Plain]:
    """Return the data of the first mesh.yaml: what `render_mesh` writes, without its comments."""
    reads: list[Plain] = [{"server": server.name, "tools": {"effect": "read"}} for server in servers]
    data: dict[str, Plain] = {
        "mesh": "v1",
        "name": slug(name),
        "servers": {server.name: dict(server.entry) for server in servers},
    }
    if reads:
        data["virtual"] = {"main": {"strategy": "passthrough", "include": reads}}
    data["identity"] = {"local": {"teams": ["developers"]}, "teams": {"developers": {}}}
    if reads:
        data["roles"] = {"developer": {"allow": reads}}
        data["grants"] = [{"role": "developer", "to": [{"team": "developers"}]}]
    return data


def render_mesh(servers: Sequence[ImportedServer], notes: Sequence[Note], *, name: str) -> str:
    """Return mesh.yaml as text; a note stands above its server, or at the top where that server was left out."""
    known = {server.name for server in servers}
    general = [note for note in notes if note.server not in known]
    lines = [
        f"# yaml-language-server: $schema={SCHEMA}",
        *_comments(general, 0),
        "mesh: v1",
        f"name: {yamltext.text(slug(name))}",
        "",
    ]
    if not servers:
        lines += ["servers: {}"]
    else:
        lines += ["# A child process gets only the variables that its `env` declares.", "servers:"]
        for server in servers:
            lines += server_lines(server, notes, 2)
    return "\n".join([*lines, *_rest([server.name for server in servers])]) + "\n"


def server_lines(server: ImportedServer, notes: Sequence[Note], indent: int) -> list[str]:
    """Return the lines of one entry under `servers:` in block style, below comments with the notes about it."""
    head = f"{' ' * indent}{yamltext.text(server.name)}:"
    about = _comments([note for note in notes if note.server == server.name], indent)
    return [*about, head, *yamltext.block(server.entry, indent + 2)]


def _rest(names: Sequence[str]) -> list[str]:
    reads = [f"      - {{server: {yamltext.text(name)}, tools: {{effect: read}}}}" for name in names]
    lines = [""]
    if reads:
        lines += [
            *_wrapped(_OPENING, 0),
            "virtual:",
            "  main:",
            "    strategy: passthrough",
            "    include:",
            *reads,
            "",
        ]
    lines += ["identity:", "  local: {teams: [developers]} # whom `mesh up` and `mesh stdio` take the caller for"]
    lines += ["  teams:", "    developers: {}"]
    if reads:
        lines += ["", "roles:", "  developer:", "    allow:", *reads]
        lines += ["", "grants:", "  - {role: developer, to: [{team: developers}]}"]
    return lines


def _comments(notes: Iterable[Note], indent: int) -> list[str]:
    lines: list[str] = []
    for note in notes:
        advice = f" ({note.help})" if note.help else ""
        place = f" [{note.where}]" if indent == 0 and note.where and not value_is_secret(note.where) else ""
        lines += _wrapped(f"{note.level}: {note.message}{advice}{place}", indent)
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    clean = "".join(char if char.isprintable() else " " for char in text)
    start = f"{' ' * indent}# "
    return textwrap.wrap(clean, _WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)
