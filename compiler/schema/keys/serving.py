"""The `runtime` section."""

from __future__ import annotations

from typing import Any

KEYS: dict[str, tuple[Any, ...]] = {
    "Runtime.listen": ("Host and port of the endpoints.", "127.0.0.1:8700"),
    "Runtime.public_url": ("URL under which clients reach the runtime.", "https://mesh.example"),
    "Runtime.admin_listen": ("Host and port of status, metrics and console; they only answer GET.", "127.0.0.1:8701"),
    "Runtime.admin_url": ("URL under which browsers reach `admin_listen` from elsewhere.", "https://mesh-ops.example"),
    "Runtime.operators": (
        "Who may look at status, metrics and console from elsewhere than the machine itself.",
        [{"team": "platform"}],
        [{"team": "desk", "endpoints": ["desk"]}],
    ),
    "Operator.user": ("A user.", "ana@acme.example"),
    "Operator.team": ("A team.", "platform"),
    "Operator.agent": ("An agent.", "ci"),
    "Operator.application": ("An application.", "dashboard"),
    "Operator.anyone": ("Every caller who is known.", "authenticated"),
    "Operator.endpoints": ("The endpoints that they may look at; left out: everything.", ["desk"]),
    "Runtime.allowed_origins": ("Web origins that browsers may call from.", ["https://ide.example"]),
    "Runtime.trusted_proxies": ("Networks whose forwarded headers are believed.", ["10.0.0.0/8"]),
    "Runtime.private_networks": (
        "Networks that are not public and that the names of servers may lead into.",
        ["10.1.0.0/16"],
    ),
    "Runtime.seal_keys": (
        "Keys that sealed state is encrypted with; the first one seals, all unseal.",
        [{"file": "/run/secrets/seal"}],
    ),
    "Runtime.counters": (
        "Counters that several runtimes share; left out: each has its own.",
        {"redis": {"env": "REDIS_URL"}},
    ),
    "Runtime.ledger": ("Where every attempt is recorded.", {"path": "./ledger", "retention": "90d"}),
    "Runtime.sign_ins": ("Where callers' own tokens at servers are kept, sealed.", {"path": "./sign-ins"}),
    "SignIns.path": ("Folder of the tokens, relative to mesh.yaml; all runtimes of a mesh share it.", "./sign-ins"),
    "Runtime.limits": ("Bounds on what one caller can cost.", {"body": "4MiB", "concurrency": {"per_principal": 64}}),
    "Limits.body": ("Size of one request.", "4MiB"),
    "Limits.depth": ("Nesting of one request's JSON.", 64),
    "Limits.headers": ("Size of one request's headers.", "32KiB"),
    "Limits.idle_streams": ("Streams of one caller that may be open at once.", 1000),
    "Limits.stream": (
        "How long one response may stay open before a client that can come back for the rest has to.",
        "5m",
    ),
    "Limits.concurrency": ("Calls that may run at once.", {"per_principal": 64}),
    "Concurrency.per_principal": ("Calls of one caller that may run at once.", 64),
    "Concurrency.per_upstream": ("Calls to one server that may run at once.", 256),
    "Redis.redis": ("URL of Redis or Valkey, by reference.", {"env": "REDIS_URL"}),
    "Redis.fail": (
        "What happens while it cannot be reached: calls are refused, or counted by each runtime alone.",
        "closed",
        "local",
    ),
    "Ledger.path": ("Folder of the ledger, relative to mesh.yaml.", "./ledger"),
    "Ledger.durability": ("Whether a call waits until its intent is on disk.", "default", "strict"),
    "Ledger.window": ("The time within which everything began that a crash can lose, unless `strict`.", "100ms"),
    "Ledger.overflow": ("What happens to calls while the disk is full or slow.", "block", "refuse"),
    "Ledger.retention": ("How long entries are kept; left out: for ever.", "90d"),
    "Ledger.arguments": ("What is recorded of arguments; left out: nothing.", ["owner"]),
    "Ledger.results": ("What is recorded of results; left out: nothing.", ["number"]),
}
