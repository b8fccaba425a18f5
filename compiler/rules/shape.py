"""MESH1xx: keys and the types of their values."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_SERVERS = "servers:\n  notes: {stdio: [python, notes.py]}\n"

RULES = (
    Rule(
        "MESH101",
        "unknown-key",
        "a key is not part of the language",
        "A misspelt key that is ignored is a rule that is not enforced.",
        "servers:\n  notes: {stdio: [python, notes.py], timout: 30s}\n",
        "servers:\n  notes: {stdio: [python, notes.py], timeout: 30s}\n",
    ),
    Rule(
        "MESH102",
        "missing-key",
        "a key that must be there is missing",
        "There is no default that would be safe to assume.",
        "servers:\n  notes: {timeout: 30s}\n",
        _SERVERS,
    ),
    Rule(
        "MESH103",
        "wrong-type",
        "a value has the wrong type",
        "Values are never converted silently: what is written is what is meant.",
        "servers:\n  notes: {stdio: python notes.py}\n",
        _SERVERS,
    ),
    Rule(
        "MESH104",
        "bad-value",
        "a value is not one of those that are allowed here",
        "The plan carries no value that the runtime would have to guess at.",
        "servers:\n  notes: {stdio: [python, notes.py], timeout: 30 seconds}\n",
        "servers:\n  notes: {stdio: [python, notes.py], timeout: 30s}\n",
    ),
    Rule(
        "MESH105",
        "conflicting-keys",
        "two keys exclude each other",
        "One of them would be ignored, and a reader cannot see which.",
        "servers:\n  notes: {stdio: [python, notes.py], http: https://notes.example/mcp}\n",
        _SERVERS,
    ),
    Rule(
        "MESH106",
        "no-value",
        "a key is given without a value",
        "A condition that is left empty is no condition: what looks guarded would not be.",
        "roles:\n  reader:\n    allow:\n      - server: notes\n        tools: [get_note]\n        when:\n",
        "roles:\n  reader:\n    allow:\n      - server: notes\n        tools: [get_note]\n        when: args.id > 0\n",
    ),
    Rule(
        "MESH107",
        "too-many",
        "the file has more mistakes than are shown",
        "A thousand mistakes are one mistake in what made the file.",
        "",
        _SERVERS,
    ),
    Rule(
        "MESH601",
        "secret-literal",
        "a secret stands in the file",
        "A file that is reviewed, diffed and published must not hold what authenticates.",
        "servers:\n  notes: {http: https://notes.example/mcp, auth: {bearer: s3cr3t}}\n",
        _SERVERS,
    ),
    Rule(
        "MESH602",
        "credential-in-file",
        "a credential is written out where a reference belongs",
        "Whoever reads the repository, its history or a plan has it; it has to be taken for known, and be replaced.",
        "servers:\n  notes:\n    stdio: [python, notes.py, 'postgres://app:q7Rt2Wm9@db.example.com/app']\n",
        "servers:\n  notes:\n    stdio: [python, notes.py]\n    env: {DATABASE_URL: {env: DATABASE_URL}}\n",
    ),
    Rule(
        "MESH603",
        "possible-secret",
        "a value looks like a secret that is written out",
        "It is called like a secret or is too random to be anything else. What is none may be suppressed, with the reason.",
        "servers:\n  notes:\n    stdio: [python, notes.py]\n    env: {NOTES_API_KEY: q7Rt2Wm9Xk4Z}\n",
        "servers:\n  notes:\n    stdio: [python, notes.py]\n    env: {NOTES_API_KEY: {env: NOTES_API_KEY}}\n",
        level="warning",
    ),
)
