"""MESH9xx: mesh.lock."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_SERVERS = "servers:\n  notes: {stdio: [python, notes.py]}\n"

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
    Rule(
        "MESH904",
        "not-carried",
        "clients of some revisions cannot get what a server declares",
        "Their revision of MCP, or the server's transport, has no way to say it: those clients are not told of it, "
        "whatever stands between them and the server.",
        "servers:\n  notes: {stdio: [python, notes.py]}\n  worker: {http: 'http://127.0.0.1:8802/mcp'}\n",
        _SERVERS,
        level="advice",
    ),
    Rule(
        "MESH905",
        "uncallable-tool",
        "a tool that no client could call is left out",
        "MCP has clients leave out tools whose `x-mcp-header` is against its rules; and what a server with sessions only "
        "does as a task cannot be asked for otherwise.",
        "servers:\n  notes: {stdio: [python, notes.py]}\n  elder: {http: 'http://127.0.0.1:8803/mcp'}\n",
        _SERVERS,
        level="warning",
    ),
)
