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
)
