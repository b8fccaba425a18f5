"""From a request to where it goes: the route, the verdict, and what exactly will be sent; sends nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, field

from meshplan.runtime import mirrors
from meshplan.runtime.budget.bill import Bill
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RefusedError, RpcError, invalid, not_allowed, unknown, unknown_resource
from meshplan.runtime.index import Route
from meshplan.runtime.record import ordered_id
from meshplan.runtime.shapes import members
from meshplan.runtime.snapshot import View
from meshplan.runtime.telemetry.port import CallSpan
from meshplan.runtime.upstream.port import Client, Upstream
from meshplan.runtime.uris import UriRefusedError, normalise, normalise_live
from meshplan.schemas.capability import CapabilityKey, Kind
from meshplan.schemas.decide import Verdict
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.surface import ArgumentRefusedError, upstream_arguments


class Trace(Struct):
    """What the record will say of an attempt; filled in while the request is looked at, also when it is refused.

    ``call`` is the call that a later round belongs to, ``drift`` how the capability differs from what was reviewed.
    ``arguments`` are those that a condition read. ``started`` is when the request came and ``sent`` when it left, in
    seconds of the monotonic clock; ``upstream`` is how long the upstream took, in seconds; sizes are bytes of JSON. ``sends`` is how often it left, retries included,
    and ``reached`` says whether the server may have it. ``result`` is
    what the upstream answered, as it came. ``bill`` is what it owes, where that is anything, ``budget`` which had no
    room; ``said`` is what the ledger has of it already.
    """

    capability: str | None = None
    reason: str | None = None
    rule: str | None = None
    call: str | None = None
    drift: str | None = None
    decision: str = field(default_factory=ordered_id)
    subjects: frozenset[str] = frozenset()
    server: str | None = None
    arguments: Mapping[str, Any] | None = None
    started: float = 0.0
    sent: float | None = None
    upstream: float | None = None
    sent_bytes: int | None = None
    received_bytes: int | None = None
    result: object = None
    trace_id: str | None = None
    span: CallSpan | None = None
    code: int | None = None
    upstream_code: int | None = None
    sends: int = 1
    reached: bool = True
    bill: Bill | None = None
    said: Entry | None = None
    budget: str | None = None

    def note(self, capability: str, verdict: Verdict) -> None:
        """A decision was made."""
        self.capability, self.reason, self.rule = capability, verdict.code, verdict.rule


class Target(Struct):
    """An allowed request, ready to be sent to ``server`` (empty: answered here); ``timeout`` in seconds."""

    server: str
    timeout: float
    params: dict[str, Any]
    headers: Mapping[str, str] = {}
    upstream_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What an allowed call leads to that lasts: a resource or a task of an upstream, for one client of it."""

    upstream: Upstream
    target: Target
    capability: str | None
    client: Client


SUBSCRIBE, FOLLOW = "resources/subscribe", "subscriptions/listen"
"""The methods that lead to something which lasts, a resource and a task."""

Resolve = Callable[[View, Call, Trace], Target | None]


def _named(view: View, call: Call, trace: Trace, kind: Kind) -> Route:
    name = call.params.get("name")
    if not isinstance(name, str):
        raise invalid(f"a {kind} name is missing")
    route = view.index.routes[kind].get(name)
    if route is None:
        raise unknown(kind, name, "no_such_name")
    verdict = view.judge(route.id)
    trace.note(route.id, verdict)
    if not verdict.allowed:
        raise unknown(kind, name, verdict.code)
    return route


def _judge(view: View, trace: Trace, route: Route, kind: Kind, call: Call, arguments: Mapping[str, Any]) -> None:
    """The second look, at what exactly will be sent; the first has shown that the caller may know of it."""
    verdict = view.judge(route.id, arguments)
    trace.note(route.id, verdict)
    trace.arguments = arguments
    if not verdict.allowed:
        raise not_allowed(kind, str(call.params["name"]), verdict.code)


def arguments_of(call: Call) -> dict[str, Any]:
    """The arguments of a call, none where it sends none; raises ``RpcError``."""
    sent = call.params.get("arguments")
    found = {} if sent is None else members(sent)
    if found is None:
        raise invalid("the arguments are not an object", "invalid_arguments")
    return found


def tool(view: View, call: Call, trace: Trace) -> Target:
    """``tools/call``: the upstream's name, the decided arguments, and the headers that mirror them."""
    route = _named(view, call, trace, "tool")
    arguments = arguments_of(call)
    if call.param_headers is not None:
        mirrors.check(route.checked, arguments, call.param_headers)
    judged = view.judged_by_arguments(route.id)
    try:
        sent = upstream_arguments(route.offer, route.declared, arguments, judged=judged)
    except ArgumentRefusedError as error:
        raise invalid(str(error), "invalid_arguments") from None
    if judged:
        _judge(view, trace, route, "tool", call, sent)
    params = {**call.forwarded(), "name": route.name}
    if sent or "arguments" in call.params:
        params["arguments"] = sent
    return Target(route.server, route.timeout, params, mirrors.headers_for(route.mirrored, sent))


def prompt(view: View, call: Call, trace: Trace) -> Target:
    """``prompts/get``."""
    route = _named(view, call, trace, "prompt")
    arguments = arguments_of(call)
    if view.judged_by_arguments(route.id):
        _judge(view, trace, route, "prompt", call, arguments)
    return Target(route.server, route.timeout, {**call.forwarded(), "name": route.name})


def resource(view: View, call: Call, trace: Trace) -> Target:
    """``resources/read``: a declared resource, else what a template makes, else a live resource of a server."""
    uri = call.params.get("uri")
    if not isinstance(uri, str):
        raise invalid("a resource URI is missing")
    server, upstream_uri = _find_resource(view, call, trace, uri)
    params = {**call.forwarded(), "uri": upstream_uri}
    return Target(server, view.index.timeouts[server], params, upstream_uri=upstream_uri)


def subscription(view: View, call: Call, trace: Trace) -> Target:
    """``resources/subscribe``: decided like a read."""
    found = resource(view, call, trace)
    if "subscribe" not in view.index.relays[found.server]:
        raise invalid("updates of this resource are not announced", "not_subscribable")
    return found


def _find_resource(view: View, call: Call, trace: Trace, uri: str) -> tuple[str, str]:
    def refuse(why: str) -> RefusedError:
        return unknown_resource(uri, why, legacy=call.legacy)

    route = view.index.routes["resource"].get(uri)
    if route is None:
        try:
            normal = normalise(uri)
        except UriRefusedError:
            raise refuse("unsafe_uri") from None
        route = view.index.normalised.get(normal)
        if route is None:
            return _made(view, trace, normal, refuse) or _live(view, trace, uri, refuse)
    verdict = view.judge(route.id, {"uri": route.name})
    trace.arguments = {"uri": route.name}
    trace.note(route.id, verdict)
    if not verdict.allowed:
        raise refuse(verdict.code)
    return route.server, route.name


def _made(view: View, trace: Trace, uri: str, refuse: Callable[[str], RpcError]) -> tuple[str, str] | None:
    """Where several templates make the URI, a rule that denies one of them denies it."""
    chosen: tuple[str, str] | None = None
    found = False
    for route in view.index.templates().values():
        values = route.shown.match(uri) if route.shown else None
        if values is None or route.sent is None:
            continue
        upstream_uri = route.sent.expand(values)
        verdict = view.judge(route.id, {"uri": upstream_uri})
        trace.arguments = {"uri": upstream_uri}
        if not found or verdict.code == "denied_by_rule" or (chosen is None and verdict.allowed):
            trace.note(route.id, verdict)
        found = True
        if verdict.code == "denied_by_rule":
            raise refuse(verdict.code)
        if verdict.allowed and chosen is None:
            chosen = route.server, upstream_uri
    if found and chosen is None:
        raise refuse(trace.reason or "no_allow")
    return chosen


def _live(view: View, trace: Trace, uri: str, refuse: Callable[[str], RpcError]) -> tuple[str, str]:
    head, plus, rest = uri.partition("+")
    server = view.index.live_schemes.get(head.lower() + plus)
    if server is None:
        raise refuse("no_such_name")
    try:
        upstream_uri = normalise_live(rest)
    except UriRefusedError:
        raise refuse("unsafe_uri") from None
    verdict = view.judge_live(server, upstream_uri)
    trace.note(CapabilityKey(server, "resource", upstream_uri).id, verdict)
    if not verdict.allowed:
        raise refuse(verdict.code)
    return server, upstream_uri


def completion(view: View, call: Call, trace: Trace) -> Target | None:
    """``completion/complete`` for a prompt or a template; ``None`` where its server completes nothing."""
    found = members(call.params.get("ref")) or {}
    match found.get("type"), found.get("name"), found.get("uri"):
        case "ref/prompt", str() as name, _:
            kind, shown, member = "prompt", name, "name"
        case "ref/resource", _, str() as uri:
            kind, shown, member = "template", uri, "uri"
        case _:
            raise invalid("a completion reference is missing")
    route = view.index.routes[kind].get(shown)
    verdict = None if route is None else view.judge(route.id)
    if route is None or verdict is None:
        raise unknown("completion reference", shown, "no_such_name")
    trace.note(route.id, verdict)
    if not verdict.allowed:
        raise unknown("completion reference", shown, verdict.code)
    if "completions" not in view.index.relays[route.server]:
        return None
    params = {**call.forwarded(), "ref": {**found, member: route.name}}
    return Target(route.server, route.timeout, params)


RESOLVERS: Mapping[str, Resolve] = {
    "tools/call": tool,
    "prompts/get": prompt,
    "resources/read": resource,
    SUBSCRIBE: subscription,
    "completion/complete": completion,
}
"""The methods that lead to an upstream."""
