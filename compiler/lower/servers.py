"""Servers: transports, references to secrets, and what was declared when they were locked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from meshplan.compiler.carriage import gaps_of
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.openapi.recorded import operations_of
from meshplan.compiler.syntax import auth as written
from meshplan.compiler.syntax.servers import (
    AnyServer,
    HttpServer,
    OpenApiServer,
    Retry,
    StdioServer,
)
from meshplan.compiler.syntax.words import EnvRef, ExecRef, FileRef
from meshplan.schemas import plan
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.carriage import FRONTS, TASKS
from meshplan.schemas.globs import glob_match

DEFAULT_TIMEOUT_MS = 60_000
_RELAYS: tuple[tuple[Literal["completions", "logging", "subscribe", "tasks"], str, str | None], ...] = (
    ("completions", "completions", None),
    ("logging", "logging", None),
    ("subscribe", "resources", "subscribe"),
    ("tasks", "extensions", TASKS),
)


def value(text: str | EnvRef | FileRef | ExecRef) -> plan.Value:
    """A literal or a reference; a secret's value never comes this way."""
    match text:
        case EnvRef():
            return plan.FromEnv(name=text.env)
        case FileRef():
            return plan.FromFile(path=text.file)
        case ExecRef():
            return plan.FromExec(argv=tuple(text.exec))
        case _:
            return plan.Literally(value=text)


def _maybe(secret: EnvRef | FileRef | ExecRef | None) -> plan.Value | None:
    return None if secret is None else value(secret)


def lower_server(name: str, server: AnyServer, lock: ServerLock | None) -> plan.Server:
    """One server; ``relays`` is what its lock says that it declared."""
    capabilities: Mapping[str, Any] = {} if lock is None else lock.capabilities
    return plan.Server(
        transport=transport(server, lock),
        timeout_ms=server.timeout or DEFAULT_TIMEOUT_MS,
        relays=tuple(
            word
            for word, section, flag in _RELAYS
            if _declares(capabilities, section, flag) and word not in _uncarried(server, lock)
        ),
        retry=None if server.retry is None else _retry(name, server.retry, lock),
        breaker=None
        if server.breaker is None
        else plan.Breaker(failures=server.breaker.failures, cooldown_ms=server.breaker.cooldown),
        on_drift=server.on_drift,
        sessions=server.sessions or "shared",
    )


def _uncarried(server: AnyServer, lock: ServerLock | None) -> set[str]:
    """The features that no client gets from this server, so that none is told of them."""
    return set() if lock is None else {gap.feature for gap in gaps_of(server, lock) if gap.fronts == FRONTS}


def _declares(capabilities: Mapping[str, Any], section: str, flag: str | None) -> bool:
    found = capabilities.get(section)
    declared = cast("dict[str, Any]", found).get(flag, False) if isinstance(found, dict) and flag is not None else None
    return isinstance(found, dict) and (flag is None or (declared is not False and declared is not None))


def _retry(server: str, retry: Retry, lock: ServerLock | None) -> plan.Retry:
    tools = [] if lock is None else lock.names("tool")
    idempotent = [tool for tool in tools if any(glob_match(glob, tool) for glob in retry.idempotent)]
    ids = tuple(sorted(CapabilityKey(server, "tool", tool).id for tool in idempotent))
    return plan.Retry(attempts=retry.attempts, backoff_ms=retry.backoff, idempotent=ids)


def transport(
    server: AnyServer, lock: ServerLock | None = None
) -> plan.HttpTransport | plan.StdioTransport | plan.OpenApiTransport | plan.TunnelTransport:
    """How the runtime reaches a server."""
    match server:
        case HttpServer():
            return plan.HttpTransport(
                url=server.http,
                replicas=tuple(server.replicas),
                headers={name: value(text) for name, text in sorted(server.headers.items())},
                auth=lower_auth(server.auth),
            )
        case StdioServer():
            return plan.StdioTransport(
                argv=tuple(server.stdio),
                env={name: value(text) for name, text in sorted(server.env.items())},
                cwd=server.cwd,
                instances=server.instances,
            )
        case OpenApiServer():
            return plan.OpenApiTransport(
                document=server.openapi,
                url=server.url,
                headers={name: value(text) for name, text in sorted(server.headers.items())},
                auth=lower_auth(server.auth),
                operations={} if lock is None else operations_of(lock),
            )
        case _:
            return plan.TunnelTransport()


def lower_auth(auth: written.Written | None) -> plan.Auth | None:
    """How the mesh proves itself."""
    match auth:
        case written.Bearer():
            return plan.BearerAuth(token=value(auth.bearer))
        case written.HeaderAuth():
            return plan.HeaderAuth(name=auth.header.name, value=value(auth.header.value))
        case written.Basic():
            return plan.BasicAuth(user=auth.basic.user, password=value(auth.basic.password))
        case written.OAuth():
            given = auth.oauth
            return plan.OAuthAuth(
                token_url=given.token_url,
                issuer=given.issuer,
                client_id=given.client_id,
                client_secret=value(given.client_secret),
                scopes=tuple(sorted(set(given.scopes))),
                audience=given.audience,
            )
        case written.Exchange():
            wanted = auth.exchange
            return plan.ExchangeAuth(
                token_url=wanted.token_url,
                audience=wanted.audience,
                client_id=wanted.client_id,
                client_secret=_maybe(wanted.client_secret),
                scopes=tuple(sorted(set(wanted.scopes))),
                service=_maybe(wanted.service),
            )
        case written.PerUser():
            code = auth.per_user
            return plan.PerUserAuth(
                issuer=code.issuer,
                client_id=code.client_id,
                client_secret=_maybe(code.client_secret),
                scopes=tuple(sorted(set(code.scopes))),
                service=_maybe(code.service),
                registration=code.registration,
            )
        case _:
            return None
