"""Virtual MCPs: includes, overrides, strategies."""

from __future__ import annotations

from typing import Any

_TOOLS = ("Tools: `all`, names and globs, or a filter by effect.", "all", ["get_*", "create_note"], {"effect": "read"})
_PREFIX = ("Put before the names of tools and prompts, so that they do not collide.", "n_")

KEYS: dict[str, tuple[Any, ...]] = {
    "Virtual.description": ("What the endpoint is for; clients see it.", "notes and tickets for the desk"),
    "Virtual.strategy": ("How the tools are exposed.", "passthrough", "search", {"code": {"wall": "5s"}}),
    "Virtual.max_tokens": ("Bound on what the lists cost a client; a mesh that exceeds it is refused.", 8000),
    "Virtual.include": ("What the endpoint offers.", [{"server": "notes", "tools": {"effect": "read"}}]),
    "Virtual.tools": (
        "How single tools are shown, by their name after `prefix`.",
        {"create_note": {"name": "add_note", "hide": ["owner"]}},
    ),
    "ServerInclude.server": ("Server whose capabilities are meant.", "notes"),
    "ServerInclude.tools": _TOOLS,
    "ServerInclude.prompts": ("Prompts: `all`, or names and globs.", "all", ["summarize_*"]),
    "ServerInclude.resources": (
        "Resources: `all` that are locked, `live`, or URIs and globs.",
        "all",
        "live",
        ["note://*"],
    ),
    "ServerInclude.templates": ("Resource templates: `all`, or URI templates and globs.", "all", ["note://{id}"]),
    "ServerInclude.except": ("Taken away again, by upstream name or glob.", ["delete_*"]),
    "ServerInclude.prefix": _PREFIX,
    "BindingInclude.binding": ("Binding whose operations are offered, each as one tool.", "tickets"),
    "BindingInclude.operations": ("Only these operations; left out: all.", ["LIST", "GET"]),
    "BindingInclude.prefix": _PREFIX,
    "WorkflowInclude.workflow": ("Workflow that is offered as one tool.", "triage"),
    "WorkflowInclude.prefix": _PREFIX,
    "ToolOverride.name": ("The name that clients see.", "open_issue"),
    "ToolOverride.description": ("The description that clients see.", "Open an issue for the desk"),
    "ToolOverride.set": ("Arguments with fixed values; callers neither see nor give them.", {"owner": "acme"}),
    "ToolOverride.hide": ("Arguments that callers neither see nor give.", ["milestone"]),
    "Search.search": ("Callers find tools by searching.", {"max_results": 10}),
    "SearchSettings.max_results": ("Tools found at most.", 10),
    "SearchSettings.pinned": ("Tools that are always listed.", ["search"]),
    "SearchSettings.ranker": (
        "Whether tools are found by words, or by meaning, too; that needs the runtime's extra `semantic`.",
        "lexical",
        "semantic",
    ),
    "Code.code": ("Callers send a program that calls tools.", {"wall": "5s", "memory": "64MiB", "calls": 50}),
    "CodeSettings.wall": ("Time that one program may take.", "5s"),
    "CodeSettings.memory": ("Memory that one program may use.", "64MiB"),
    "CodeSettings.calls": ("Calls that one program may make.", 50),
    "CodeSettings.output": ("Size that a program's result may have.", "256KiB"),
    "CodeSettings.logs": ("Size of what one program may print.", "16KiB"),
    "Plugin.plugin": ("A strategy that an installed package brings.", {"name": "acme-strategy", "version": "1.2.0"}),
    "PluginSettings.name": ("Name of the strategy.", "acme-strategy"),
    "PluginSettings.version": ("Exact version of the package.", "1.2.0"),
    "PluginSettings.settings": ("Settings that the strategy understands.", {"depth": 2}),
}
