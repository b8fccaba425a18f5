"""MESH3xx: what endpoints offer, and under which names."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_TWO = "servers:\n  notes: {stdio: [python, notes.py]}\n  tickets: {http: 'http://127.0.0.1:8801/mcp'}\n"
_INCLUDE = "virtual:\n  desk:\n    include:\n      - {server: notes, tools: {effect: read}}\n"
_GRANT_WRITES = "roles:\n  reader:\n    allow: [{server: [notes, tickets]}]\n"

RULES = (
    Rule(
        "MESH301",
        "name-collision",
        "two capabilities of one endpoint would have the same name",
        "One would shadow the other: a call would reach something that the caller does not mean.",
        _TWO
        + _GRANT_WRITES
        + _INCLUDE.replace("{effect: read}", "[search]")
        + "      - {server: tickets, tools: [search]}\n",
        _TWO
        + _GRANT_WRITES
        + _INCLUDE.replace("{effect: read}", "[search]")
        + "      - {server: tickets, tools: [search], prefix: t_}\n",
    ),
    Rule(
        "MESH302",
        "offered-twice",
        "one capability is offered under two names",
        "Access, budgets and the ledger speak of the capability; two names for it only cost tokens and confuse.",
        _INCLUDE + "      - {server: notes, tools: [get_note], prefix: n_}\n",
        _INCLUDE,
    ),
    Rule(
        "MESH303",
        "include-empty",
        "an include selects nothing",
        "It offers nothing, which is hardly what it was written for.",
        _INCLUDE + "      - {server: notes}\n",
        _INCLUDE,
    ),
    Rule(
        "MESH304",
        "hides-required",
        "a required argument is hidden and not set",
        "Nobody could call the tool: its caller may not give the argument, and nothing else does.",
        _INCLUDE + "    tools:\n      get_note: {hide: [id]}\n",
        _INCLUDE + "    tools:\n      get_note: {set: {id: 1}}\n",
    ),
    Rule(
        "MESH305",
        "silent-endpoint",
        "an endpoint would list nothing for everybody",
        "Default deny without any allow: the endpoint exists and can never answer.",
        "grants: []\n",
        "grants:\n  - {role: reader, to: [{team: writers}]}\n",
    ),
    Rule(
        "MESH306",
        "unused-server",
        "a server is in no virtual MCP",
        "It is started and watched for nobody.",
        _TWO,
        "servers:\n  notes: {stdio: [python, notes.py]}\n",
        level="warning",
    ),
    Rule(
        "MESH307",
        "look-alike-names",
        "two names of one endpoint look alike",
        "They differ only by case, by letters of another script, or by characters that are not seen: a reviewer, and a "
        "model, may take one for the other.",
        _INCLUDE + "    tools:\n      get_note: {name: Search}\n",
        _INCLUDE + "    tools:\n      get_note: {name: read_note}\n",
        level="warning",
    ),
    Rule(
        "MESH308",
        "over-budget-surface",
        "the list of an endpoint costs more tokens than its `max_tokens`",
        "Every client puts the whole list into its model's context, on every turn. The cost is an estimate of the tools' names, "
        "descriptions and input schemas; it takes no vocabulary and is within some 10% for a list.",
        _INCLUDE + "    max_tokens: 100\n",
        _INCLUDE + "    max_tokens: 500\n",
    ),
    Rule(
        "MESH309",
        "strategy-not-locked",
        "a strategy of a package is not recorded in mesh.lock, or in another version",
        "Nobody has checked its settings, or reviewed which package brings it. The runtime refuses a plan whose strategy it does not "
        "have in the very version.",
        _INCLUDE + "    strategy: {plugin: {name: shelves, version: 1.3.0}}\n",
        _INCLUDE + "    strategy: {plugin: {name: shelves, version: 1.2.0}}\n",
        level="warning",
    ),
    Rule(
        "MESH310",
        "strategy-settings",
        "a strategy of a package does not take these settings",
        "The runtime would refuse the plan. The schema is the package's own, as `mesh lock` recorded it.",
        _INCLUDE + "    strategy: {plugin: {name: shelves, version: 1.2.0, settings: {prefx: s_}}}\n",
        _INCLUDE + "    strategy: {plugin: {name: shelves, version: 1.2.0, settings: {prefix: s_}}}\n",
    ),
)
