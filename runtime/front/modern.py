"""MCP 2026-07-28 without its transport: every request stands alone and says who asks and what it can do."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from meshplan.runtime.active import Watcher
from meshplan.runtime.call import Call, OnLimits, Result
from meshplan.runtime.errors import RpcError, invalid
from meshplan.runtime.front.desk import Desk, Write, change_text, relay
from meshplan.runtime.front.following import Following, wanted_tasks
from meshplan.runtime.front.jsonrpc import Request, RequestId, notification_text
from meshplan.runtime.front.subscriptions import MAX_SUBSCRIPTIONS, Resource, Subscriptions
from meshplan.runtime.index import EndpointIndex
from meshplan.runtime.principal import Caller
from meshplan.runtime.protocol import MODERN_PROTOCOL_VERSIONS, SERVER_INFO_META_KEY, Envelope
from meshplan.runtime.results import own_envelope, server_info
from meshplan.runtime.shapes import items, members
from meshplan.runtime.targets import FOLLOW, SUBSCRIBE, Held
from meshplan.runtime.telemetry.context import follow

SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"
LISTEN = FOLLOW

_WANTED = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


def discover(index: EndpointIndex) -> dict[str, Any]:
    """The result of ``server/discover``, from the plan alone."""
    found: dict[str, Any] = {
        "supportedVersions": list(MODERN_PROTOCOL_VERSIONS),
        "capabilities": {**index.capabilities, **({"extensions": dict(index.extensions)} if index.extensions else {})},
        **own_envelope(index.name),
    }
    return found | ({"instructions": index.instructions} if index.instructions else {})


async def answer(
    desk: Desk,
    endpoint: str,
    caller: Caller,
    request: Request,
    envelope: Envelope,
    write: Write,
    param_headers: Mapping[str, str] | None = None,
    on_limits: OnLimits | None = None,
) -> Result:
    """Answer one request other than ``subscriptions/listen``; raises ``RpcError``."""
    if request.method == "server/discover":
        with desk.answering(endpoint, caller, request, envelope.protocol_version):
            return discover(desk.index(endpoint))
    token, level = envelope.progress_token, envelope.log_level
    capabilities = members(envelope.client_capabilities)
    if capabilities is None:
        error = invalid("the client capabilities are not an object")
        desk.invoker.refuse(endpoint, caller, error, request.method)
        raise error
    return await desk.invoker.invoke(
        Call(
            endpoint=endpoint,
            caller=caller,
            era="modern",
            method=request.method,
            params=request.params,
            client_capabilities=capabilities,
            client_info=members(envelope.client_info),
            log_level=level,
            wants_progress=token is not None,
            on_notify=relay(token, logs=level is not None, write=write),
            param_headers=param_headers,
            request_id=request.id,
            version=envelope.protocol_version,
            on_limits=on_limits,
        )
    )


async def listen(
    desk: Desk, endpoint: str, caller: Caller, request: Request, envelope: Envelope, write: Write
) -> dict[str, Any]:
    """Serve one subscription: acknowledge, tell of changes, and return the final result when it is over."""
    follow(request.params)
    with desk.answering(endpoint, caller, request, envelope.protocol_version):
        return await _listened(desk, endpoint, caller, request, envelope, write)


async def _listened(
    desk: Desk, endpoint: str, caller: Caller, request: Request, envelope: Envelope, write: Write
) -> dict[str, Any]:
    wanted = members(request.params.get("notifications"))
    if wanted is None:
        raise invalid("the notifications to listen for are missing")
    call = Call(
        endpoint,
        caller,
        "modern",
        FOLLOW,
        request.params,
        client_capabilities=members(envelope.client_capabilities) or {},
        client_info=members(envelope.client_info),
        request_id=request.id,
        version=envelope.protocol_version,
    )
    tasks = wanted_tasks(desk, call, wanted)
    honoured: dict[str, Any] = {name: True for name in _WANTED.values() if wanted.get(name) is True}
    meta = _meta(request.id)
    with desk.active.watch(endpoint, caller) as watcher, _holding(desk) as held:
        desk.check_streams(caller.owner)
        uris = [uri for uri in items(wanted.get("resourceSubscriptions")) if isinstance(uri, str)]
        done = await _subscribe(desk, endpoint, caller, held, watcher, uris)
        honoured |= {"resourceSubscriptions": done} if done else {}
        followed = await Following(desk, watcher, held, call, meta).follow(tasks)
        honoured |= {"taskIds": followed} if followed else {}
        acknowledged = {"notifications": honoured, "_meta": meta}
        await write(notification_text("notifications/subscriptions/acknowledged", acknowledged))
        async for lists in watcher.changes():
            for change in sorted(lists):
                if _WANTED.get(change) in honoured or (
                    change not in _WANTED and desk.invoker.permits(_reading(endpoint, caller, change))
                ):
                    await write(change_text(change, meta))
            for message in watcher.said():
                await write(message)
    return {"resultType": "complete", "_meta": {**meta, SERVER_INFO_META_KEY: server_info(endpoint)}}


@contextmanager
def _holding(desk: Desk) -> Generator[Subscriptions]:
    held = Subscriptions(desk.background, desk.active)
    try:
        yield held
    finally:
        held.end()


def _reading(endpoint: str, caller: Caller, uri: str) -> Call:
    return Call(endpoint=endpoint, caller=caller, era="modern", method="resources/read", params={"uri": uri})


async def _subscribe(
    desk: Desk, endpoint: str, caller: Caller, held: Subscriptions, watcher: Watcher, uris: list[str]
) -> list[str]:
    """Subscribe to each resource, each decided and recorded; returns those that are."""
    done: list[str] = []
    for uri in dict.fromkeys(uris[:MAX_SUBSCRIPTIONS]):
        try:
            await _one(desk, endpoint, caller, held, watcher, uri)
        except RpcError:
            continue
        done.append(uri)
    return done


async def _one(desk: Desk, endpoint: str, caller: Caller, held: Subscriptions, watcher: Watcher, uri: str) -> None:
    def tell(changed: str) -> None:
        watcher.tell(frozenset({changed}))

    async def hold(found: Held) -> None:
        resource = Resource(uri, desk.outward(endpoint, found.target.server), tell)
        await held.hold(resource.subscription(found, again, permitted), found.target.timeout)

    async def again() -> None:
        await _one(desk, endpoint, caller, held, watcher, uri)

    def permitted() -> bool:
        return desk.invoker.permits(_reading(endpoint, caller, uri))

    await desk.invoker.invoke(replace(_reading(endpoint, caller, uri), method=SUBSCRIBE, hold=hold))


def _meta(request_id: RequestId) -> dict[str, Any]:
    return {SUBSCRIPTION_KEY: request_id}
