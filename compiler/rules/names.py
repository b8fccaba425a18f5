"""MESH2xx: names that refer to something."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_VIRTUAL = "virtual:\n  desk:\n    include:\n      - {server: notes, tools: {effect: read}}\n"
_GRANTS = "grants:\n  - {role: reader, to: [{team: writers}]}\n"
_ROLES = "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}}]\n"


def _unknown(code: str, kind: str, bad: str, good: str, why: str) -> Rule:
    return Rule(code, f"unknown-{kind}", f"a {kind} is named that does not exist", why, bad, good)


RULES = (
    _unknown(
        "MESH201",
        "server",
        _VIRTUAL.replace("notes", "note"),
        _VIRTUAL,
        "An include or a rule that means nothing protects and offers nothing.",
    ),
    _unknown(
        "MESH202",
        "tool",
        _VIRTUAL.replace("{effect: read}", "[get_not]"),
        _VIRTUAL.replace("{effect: read}", "[get_note]"),
        "Tools are named as the lock has them; a name that is not there never matches.",
    ),
    _unknown(
        "MESH203",
        "prompt",
        _VIRTUAL.replace("{effect: read}", "all, prompts: [sumarize_note]"),
        _VIRTUAL.replace("{effect: read}", "all, prompts: [summarize_note]"),
        "Prompts are named as the lock has them.",
    ),
    _unknown(
        "MESH204",
        "resource",
        _VIRTUAL.replace("{effect: read}", "all, resources: ['note://every']"),
        _VIRTUAL.replace("{effect: read}", "all, resources: ['note://all']"),
        "Resources are locked only where the server declares them with `resources`.",
    ),
    _unknown(
        "MESH205",
        "template",
        _VIRTUAL.replace("{effect: read}", "all, templates: ['note://{name}']"),
        _VIRTUAL.replace("{effect: read}", "all, templates: ['note://{id}']"),
        "Resource templates are named as the lock has them.",
    ),
    _unknown(
        "MESH206",
        "endpoint",
        _ROLES.replace("{server: notes,", "{endpoint: desc, server: notes,"),
        _ROLES.replace("{server: notes,", "{endpoint: desk, server: notes,"),
        "A rule that is narrowed to an endpoint that does not exist never applies.",
    ),
    _unknown(
        "MESH207", "role", _GRANTS.replace("reader", "raeder"), _GRANTS, "Granting nothing is not what anybody means."
    ),
    _unknown(
        "MESH208",
        "user",
        _GRANTS.replace("{team: writers}", "{user: ana}"),
        _GRANTS,
        "A grant to a subject that nobody may assert either does nothing or gives it to whoever claims the name first.",
    ),
    _unknown("MESH209", "team", _GRANTS.replace("writers", "writer"), _GRANTS, "Subjects are declared in `identity`."),
    _unknown(
        "MESH210",
        "agent",
        _GRANTS.replace("{team: writers}", "{agent: ci}"),
        _GRANTS,
        "Subjects are declared in `identity`.",
    ),
    _unknown(
        "MESH211",
        "application",
        _GRANTS.replace("{team: writers}", "{application: portal}"),
        _GRANTS,
        "Subjects are declared in `identity`.",
    ),
    _unknown(
        "MESH212",
        "argument",
        _VIRTUAL + "    tools:\n      get_note: {set: {idd: 1}}\n",
        _VIRTUAL + "    tools:\n      get_note: {set: {id: 1}}\n",
        "An argument that the tool does not have would be sent and ignored.",
    ),
    _unknown(
        "MESH213",
        "override",
        _VIRTUAL + "    tools:\n      get_notes: {description: one note}\n",
        _VIRTUAL + "    tools:\n      get_note: {description: one note}\n",
        "A change to a tool that the endpoint does not offer has no effect.",
    ),
    Rule(
        "MESH221",
        "glob-matches-nothing",
        "a pattern matches nothing in the lock",
        "It may be a slip, or the upstream may have renamed what it matched.",
        _VIRTUAL.replace("{effect: read}", "[get_*, fetch_*]"),
        _VIRTUAL.replace("{effect: read}", "[get_*, list_*]"),
        level="warning",
    ),
)
