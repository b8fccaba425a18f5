"""MESH2xx: names that refer to something."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_VIRTUAL = "virtual:\n  desk:\n    include:\n      - {server: notes, tools: {effect: read}}\n"
_GRANTS = "grants:\n  - {role: reader, to: [{team: writers}]}\n"
_ROLES = "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}}]\n"
_SUBJECTS = "Subjects are declared in `identity`, with who may assert them."
_MAPPED = (
    "bindings:\n  docs:\n    contract: collection/v1\n    as: doc\n    provider: notes\n    map:\n"
    "      LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}\n"
    "      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}\n"
)
_BUDGETS = "budgets:\n  month: {of: {team: writers}, limit: 1000 calls, per: month, on_exceed: warn}\n"


def _unknown(code: str, kind: str, bad: str, good: str, why: str) -> Rule:
    article = "an" if kind[0] in "aeio" else "a"
    return Rule(code, f"unknown-{kind}", f"{article} {kind} is named that does not exist", why, bad, good)


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
        "A grant to a subject that nobody may assert does nothing, or gives access to whoever claims the name first.",
    ),
    _unknown("MESH209", "team", _GRANTS.replace("writers", "writer"), _GRANTS, _SUBJECTS),
    _unknown("MESH210", "agent", _GRANTS.replace("{team: writers}", "{agent: ci}"), _GRANTS, _SUBJECTS),
    _unknown("MESH211", "application", _GRANTS.replace("{team: writers}", "{application: portal}"), _GRANTS, _SUBJECTS),
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
    _unknown(
        "MESH214",
        "issuer",
        "identity:\n  teams: {writers: {issuer: corp, claim: groups, has: w}}\n",
        "identity:\n  issuers: {corp: {jwt: 'https://idp.example'}}\n"
        "  teams: {writers: {issuer: corp, claim: groups, has: w}}\n",
        "A subject that nobody vouches for is never proved.",
    ),
    _unknown(
        "MESH215",
        "contract",
        _MAPPED.replace("collection/v1", "colection/v1"),
        _MAPPED,
        "A binding is measured against its contract; without one there is nothing to keep.",
    ),
    _unknown(
        "MESH216",
        "binding",
        _VIRTUAL + "      - {binding: dosc}\n",
        _MAPPED + _VIRTUAL + "      - {binding: docs}\n",
        "Callers target bindings by name.",
    ),
    _unknown(
        "MESH217",
        "workflow",
        _VIRTUAL + "      - {workflow: triage}\n",
        _VIRTUAL,
        "A workflow that is not declared cannot be offered.",
    ),
    _unknown(
        "MESH218",
        "operation",
        _MAPPED.replace("GET:", "FETCH:").replace("LIST:", "GET: {tool: get_note}\n      LIST:"),
        _MAPPED,
        "A contract names its operations; another one is never called.",
    ),
    _unknown(
        "MESH219",
        "field",
        _MAPPED.replace("items: result.notes", "items: result.notes, itmes: result.notes"),
        _MAPPED,
        "Callers read what the contract promises; anything else is lost.",
    ),
    _unknown(
        "MESH220",
        "budget",
        "moved: [{budget: {from: monthly, to: mnth}}]\n" + _BUDGETS,
        "moved: [{budget: {from: monthly, to: month}}]\n" + _BUDGETS,
        "What is spent follows a budget to its new name, which must exist.",
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
    _unknown(
        "MESH222",
        "policy",
        "policies: {use: [builtin/save-defaults]}\n",
        "policies: {use: []}\n",
        "A guardrail that is not there guards nothing.",
    ),
    _unknown(
        "MESH223",
        "tag",
        "invariants:\n  - {name: quiet, never: {who: {team: writers}, reach: {tag: outbond}}}\n",
        "servers:\n  notes: {stdio: [python, notes.py], tags: {outbound: [create_note]}}\n",
        "Tags are given to capabilities in `servers`; another one selects nothing.",
    ),
    _unknown(
        "MESH224",
        "parameter",
        "description: in ${param.regin}\nparameters: {region: {default: eu}}\n",
        "description: in ${param.region}\nparameters: {region: {default: eu}}\n",
        "Parameters are declared with a type, so that what a file means never depends on a machine.",
    ),
    _unknown(
        "MESH225",
        "path",
        "environments:\n  prod: {patch: [{set: servers.note.timeout, to: 5s}]}\n",
        "environments:\n  prod: {patch: [{set: servers.notes.stdio, to: [python, notes.py]}]}\n",
        "A patch whose path does not exist would silently change nothing.",
    ),
)
