"""What crosses between processes, as JSON values and back: requests, failures, callers, questions of a parked call."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from meshplan.runtime.identity.token import Token
from meshplan.runtime.principal import Bearer, Credential, Vouched
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import (
    Client,
    FollowedTask,
    OnAsk,
    OnNotify,
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Transport

_PLAIN = ("method", "params", "timeout", "log_level", "wants_progress", "client_info")


def transport_digest(transport: Transport) -> str:
    """Tells a server from another one of the same name."""
    return jsontext.digest(jsontext.canonical(transport.model_dump(mode="json")))


def request_out(request: UpstreamRequest) -> dict[str, Any]:
    """A request, less who hears of it; the caller's token stays behind."""
    client = request.client
    return {
        **{name: getattr(request, name) for name in _PLAIN},
        "headers": dict(request.headers),
        "client_capabilities": dict(request.client_capabilities),
        "client": None if client is None else asdict(client),
        "asks": request.on_ask is not None,
        "whose": request.whose,
    }


def request_in(sent: dict[str, Any], on_notify: OnNotify, on_ask: OnAsk) -> UpstreamRequest:
    """The request, with who hears of it and who answers on this side."""
    client: dict[str, Any] | None = sent["client"]
    return UpstreamRequest(
        **{name: sent[name] for name in _PLAIN},
        headers=sent["headers"],
        client_capabilities=sent["client_capabilities"],
        client=None if client is None else _client(client),
        on_notify=on_notify,
        on_ask=on_ask if sent["asks"] else None,
        whose=tuple(sent["whose"]) if sent["whose"] else None,
    )


def task_out(task: FollowedTask) -> dict[str, Any]:
    """A task to follow; who it is for stays behind, like a caller's token."""
    return {"id": task.id, "client": None if task.client is None else asdict(task.client)}


def task_in(sent: dict[str, Any]) -> FollowedTask:
    """The task again."""
    client: dict[str, Any] | None = sent["client"]
    return FollowedTask(sent["id"], None if client is None else _client(client))


def _client(sent: dict[str, Any]) -> Client:
    fields: dict[str, Any] = {**sent, "owner": tuple(sent["owner"])}
    return Client(**fields)


def failure_out(failure: UpstreamFailure) -> dict[str, Any]:
    """A failure as the words of a refused call."""
    match failure:
        case UpstreamRefusal(code=code, message=message, data=data):
            return {"refusal": [code, message, data]}
        case UpstreamTimeout():
            return {"timeout": str(failure)}
        case UpstreamUnavailable(reason=reason, sent=sent, retry_after=retry_after):
            return {"reason": reason, "sent": sent, "retry_after": retry_after}
        case _:
            return {"reason": str(failure)}


def failure_in(value: dict[str, Any]) -> UpstreamFailure:
    """The failure that the words stand for."""
    if "refusal" in value:
        code, message, data = value["refusal"]
        return UpstreamRefusal(code, message, data)
    if "timeout" in value:
        return UpstreamTimeout(value["timeout"])
    sent, retry_after = bool(value.get("sent", True)), value.get("retry_after")
    return Unavailable(str(value.get("reason")), sent=sent, retry_after=retry_after)


def credential_out(credential: Credential) -> dict[str, Any]:
    """A credential that has been verified; only ever sealed."""
    match credential:
        case Bearer(token=token, resource=resource):
            fields = {name: getattr(token, name) for name in Token.__slots__}
            return {"token": {**fields, "audience": sorted(token.audience)}, "resource": resource}
        case Vouched(issuer=issuer, name=name):
            return {"vouched": [issuer, name]}
        case _:
            return {"key": credential}


def credential_in(sent: dict[str, Any]) -> Credential:
    """The credential again."""
    if "token" in sent:
        token: dict[str, Any] = sent["token"]
        fields: dict[str, Any] = {**token, "audience": frozenset(token["audience"])}
        return Bearer(Token(**fields), sent["resource"])
    return Vouched(*sent["vouched"]) if "vouched" in sent else str(sent["key"])
