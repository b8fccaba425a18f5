"""Servers: transports, authentication and secrets, retries, effects."""

from __future__ import annotations

from typing import Any

_TOKEN = {"env": "NOTES_TOKEN"}

KEYS: dict[str, tuple[Any, ...]] = {
    "AnyServer.description": ("What the server is for, for people.", "notes of the support desk"),
    "AnyServer.timeout": ("Bound on one call.", "30s"),
    "AnyServer.retry": ("Repeats of calls that may be repeated.", {"attempts": 3, "backoff": "200ms"}),
    "AnyServer.breaker": ("When to stop sending calls to a server that fails.", {"failures": 5, "cooldown": "30s"}),
    "AnyServer.effects": (
        "Effects declared over the server's own annotations, by glob on the tool's upstream name.",
        {"write": ["create_*"], "destructive": ["delete_*"]},
    ),
    "AnyServer.tags": ("Labels of tools, for rules and invariants.", {"outbound": ["send_*"]}),
    "AnyServer.resources": ("Resources to lock, by URI or glob; templates and prompts always are.", ["note://all"]),
    "AnyServer.on_drift": ("What happens to calls of a tool that changed since it was locked.", "block", "warn"),
    "AnyServer.sessions": (
        "Whether callers share one session with the server, in which nobody can be asked, or each client has its own.",
        "shared",
        "per_client",
    ),
    "HttpServer.http": ("URL of the server: streamable HTTP.", "https://notes.example/mcp"),
    "HttpServer.replicas": ("Further URLs of the same server, to fail over to.", ["https://notes-b.example/mcp"]),
    "HttpServer.headers": (
        "Headers of every request; a secret only by reference.",
        {"X-Team": "desk", "X-Key": _TOKEN},
    ),
    "HttpServer.auth": ("How the mesh proves itself to the server.", {"bearer": _TOKEN}),
    "StdioServer.stdio": ("Command to start the server with, as a list of words.", ["python", "notes.py"]),
    "StdioServer.env": ("Environment of the server; it gets nothing else.", {"LOG": "info", "TOKEN": _TOKEN}),
    "StdioServer.cwd": ("Folder that the server is started in, relative to mesh.yaml.", "."),
    "StdioServer.instances": ("One process for the whole runtime, or one for each worker.", "one", "per_worker"),
    "OpenApiServer.openapi": (
        "OpenAPI document whose operations become tools, relative to mesh.yaml.",
        "./petstore.json",
    ),
    "OpenApiServer.url": ("Base URL of the API.", "https://petstore.example"),
    "OpenApiServer.headers": ("Headers of every request; a secret only by reference.", {"X-Key": _TOKEN}),
    "OpenApiServer.auth": ("How the mesh proves itself to the API.", {"bearer": _TOKEN}),
    "TunnelServer.tunnel": ("The server connects by itself with `mesh tunnel` while it is being developed.", {}),
    "Effects.read": ("Tools that change nothing.", ["get_*", "list_*"]),
    "Effects.write": ("Tools that change something that can be changed back.", ["create_*"]),
    "Effects.destructive": ("Tools that destroy; what is not declared or annotated counts as this.", ["delete_*"]),
    "Retry.attempts": ("Attempts in all.", 3),
    "Retry.backoff": ("Pause before the second attempt; it doubles from there.", "200ms"),
    "Retry.idempotent": ("Tools that may be repeated although they write.", ["put_*"]),
    "Breaker.failures": ("Failures in a row that open the breaker.", 5),
    "Breaker.cooldown": ("How long no call is sent then.", "30s"),
    "EnvRef.env": ("Environment variable of the runtime that holds the secret.", "NOTES_TOKEN"),
    "FileRef.file": ("File that holds the secret; read by the runtime, relative to mesh.yaml.", "/run/secrets/notes"),
    "ExecRef.exec": ("Command that prints the secret, as a list of words.", ["vault", "read", "notes"]),
    "Bearer.bearer": ("The token of `Authorization: Bearer`.", _TOKEN),
    "HeaderAuth.header": ("A secret in a header of the server's own.", {"name": "X-Api-Key", "value": _TOKEN}),
    "HeaderValue.name": ("Name of the header.", "X-Api-Key"),
    "HeaderValue.value": ("The secret that it carries.", _TOKEN),
    "Basic.basic": ("User name and password.", {"user": "mesh", "password": _TOKEN}),
    "BasicValue.user": ("The user name.", "mesh"),
    "BasicValue.password": ("The password.", _TOKEN),
    "OAuth.oauth": (
        "A token of the mesh's own, by client credentials.",
        {"token_url": "https://idp.example/token", "client_id": "mesh", "client_secret": _TOKEN},
    ),
    "ClientCredentials.token_url": ("Where the token is got.", "https://idp.example/token"),
    "ClientCredentials.issuer": ("The authorization server, whose metadata says where.", "https://idp.example"),
    "ClientCredentials.client_id": ("The mesh's name at the authorization server.", "mesh"),
    "ClientCredentials.client_secret": ("What proves it.", _TOKEN),
    "ClientCredentials.scopes": ("Scopes to ask for.", ["read"]),
    "ClientCredentials.audience": ("Whom the token is for, where the authorization server wants to know.", "notes"),
    "Exchange.exchange": (
        "A token for the caller, made from the caller's own by token exchange.",
        {"token_url": "https://idp.example/token", "audience": "payroll"},
    ),
    "TokenExchange.token_url": ("Where tokens are exchanged.", "https://idp.example/token"),
    "TokenExchange.audience": ("Whom the new token is for.", "payroll"),
    "TokenExchange.client_id": ("The mesh's name at the authorization server.", "mesh"),
    "TokenExchange.client_secret": ("What proves it.", _TOKEN),
    "TokenExchange.scopes": ("Scopes to ask for.", ["read"]),
    "TokenExchange.service": ("Bearer token for the lock and for looking for drift, which nobody calls for.", _TOKEN),
    "PerUser.per_user": (
        "Every caller signs in to the server once.",
        {"issuer": "https://auth.example", "client_id": "mesh"},
    ),
    "AuthorizationCode.issuer": ("The server's authorization server.", "https://auth.example"),
    "AuthorizationCode.service": (
        "Bearer token for the lock and for looking for drift, which nobody calls for.",
        _TOKEN,
    ),
    "AuthorizationCode.client_id": ("The mesh's name at the authorization server.", "mesh"),
    "AuthorizationCode.client_secret": ("What proves it, where it is not a public client.", _TOKEN),
    "AuthorizationCode.registration": (
        "How the mesh becomes a client there by itself: a document at its own URL, a request (RFC 7591), or what is taken.",
        "either",
        "metadata",
        "dynamic",
    ),
    "AuthorizationCode.scopes": (
        "Scopes to ask for, and no others; without any, those that the server names.",
        ["read"],
    ),
}
