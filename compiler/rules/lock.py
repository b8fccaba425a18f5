"""MESH9xx: mesh.lock."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_SERVERS = "servers:\n  notes: {stdio: [python, notes.py]}\n"


def _one(server: str) -> str:
    """A mesh of one server, all of whose tools are offered and granted."""
    name = server.partition(":")[0]
    return (
        f"servers: {{{server}}}\n"
        f"virtual: {{desk: {{include: [{{server: {name}, tools: all}}]}}}}\n"
        f"roles: {{reader: {{allow: [{{server: {name}, tools: all}}]}}}}\n"
    )


_GAPS = (
    (
        "MESH904",
        "logging",
        "the log messages of a server reach no client",
        "In a pipe, a log message does not say which request it belongs to.",
        "chatty: {stdio: [python, chatty.py]}",
    ),
    (
        "MESH905",
        "tasks",
        "the tasks of a server do not reach every client",
        "Tasks are an extension of 2026-07-28; what servers with sessions call tasks was an experiment before it.",
        "jobs: {http: 'http://127.0.0.1:8802/mcp'}",
    ),
    (
        "MESH906",
        "structured-values",
        "structured results that are no objects do not reach every client",
        "Before 2026-07-28 structured content was an object, and another makes clients refuse a whole list.",
        "scales: {http: 'http://127.0.0.1:8802/mcp'}",
    ),
    (
        "MESH907",
        "extensions",
        "an extension of a server reaches no client",
        "What its messages mean, and so who may send them, only its two ends know.",
        "novel: {http: 'http://127.0.0.1:8802/mcp'}",
    ),
)

RULES = (
    Rule(
        "MESH901",
        "not-locked",
        "a server has no lock",
        "Only reviewed definitions are offered; without a lock there are none.",
        "servers:\n  notes: {stdio: [python, notes.py]}\n  fresh: {stdio: [python, fresh.py]}\n",
        _SERVERS,
    ),
    Rule(
        "MESH902",
        "lock-stale",
        "a server's transport is not the one that was locked",
        "What was reviewed was another server; its definitions say nothing about this one.",
        "servers:\n  notes: {stdio: [python, other.py]}\n",
        _SERVERS,
    ),
    Rule(
        "MESH903",
        "lock-damaged",
        "a lock file cannot be used",
        "A definition that does not match its digest was edited by hand or damaged.",
        "",
        _SERVERS,
    ),
    *(
        Rule(
            code,
            f"not-carried-{feature}",
            summary,
            f"{why} Those clients are not told of it, whatever stands between them and the server.",
            _one(server),
            _SERVERS,
            level="advice",
        )
        for code, feature, summary, why, server in _GAPS
    ),
    Rule(
        "MESH908",
        "uncallable-tool",
        "a tool that no client could call is left out",
        "MCP has clients leave out tools whose `x-mcp-header` is against its rules; and what a server with sessions only "
        "does as a task cannot be asked for otherwise.",
        _one("marked: {http: 'http://127.0.0.1:8802/mcp'}"),
        _SERVERS,
        level="warning",
    ),
)
