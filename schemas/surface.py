"""What an endpoint shows and what it sends on: advertised definitions, and the arguments an upstream will get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from meshplan.schemas import jsontext
from meshplan.schemas.capability import IDENTIFYING_FIELD, KINDS, OPERATION_META, Kind

if TYPE_CHECKING:
    from meshplan.schemas.plan import Offer, Plan

LIST_FIELD: dict[Kind, str] = {
    "tool": "tools",
    "prompt": "prompts",
    "resource": "resources",
    "template": "resourceTemplates",
}
"""The field of an MCP list result that holds definitions of a kind."""


class ArgumentRefusedError(ValueError):
    """A caller's arguments that the endpoint does not take; the text names only what the caller itself sent."""


def advertise(kind: Kind, definition: str, offer: Offer) -> str:
    """The definition as listed: reviewed text, advertised name and description, without set and hidden arguments."""
    shown = cast("dict[str, Any]", jsontext.parse(definition, exact=True))
    shown[IDENTIFYING_FIELD[kind]] = offer.name
    if offer.description is not None:
        shown["description"] = offer.description
    gone = {*offer.set, *offer.hide}
    schema = shown.get("inputSchema")
    if gone and isinstance(schema, dict):
        shown["inputSchema"] = _without(cast("dict[str, Any]", schema), gone)
    meta = shown.get("_meta")
    if isinstance(meta, dict) and OPERATION_META in meta:
        kept = {name: value for name, value in cast("dict[str, Any]", meta).items() if name != OPERATION_META}
        shown = {**shown, "_meta": kept} if kept else {name: shown[name] for name in shown if name != "_meta"}
    return jsontext.canonical(shown)


def is_object(definition: Mapping[str, Any]) -> bool:
    """Whether what a tool declares as its structured results was always an object, as before MCP 2026-07-28 it had to be."""
    schema = definition.get("outputSchema")
    return schema is None or (isinstance(schema, dict) and cast("dict[str, Any]", schema).get("type") == "object")


def advertise_before(shown: bytes) -> bytes:
    """A listed tool as clients before 2026-07-28 can read it: without an output schema that is not an object's."""
    if b'"outputSchema"' not in shown:
        return shown
    definition = cast("dict[str, Any]", jsontext.parse(shown.decode(), exact=True))
    if is_object(definition):
        return shown
    return jsontext.canonical({name: value for name, value in definition.items() if name != "outputSchema"}).encode()


def _without(schema: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    trimmed = dict(schema)
    properties = schema.get("properties")
    if isinstance(properties, dict):
        trimmed["properties"] = {k: v for k, v in cast("dict[str, Any]", properties).items() if k not in gone}
    required = schema.get("required")
    if isinstance(required, list):
        left = [name for name in cast("list[Any]", required) if name not in gone]
        trimmed["required"] = left
        if not left:
            del trimmed["required"]
    return trimmed


def listing(plan: Plan, definitions: Mapping[str, str], endpoint: str, kind: Kind) -> dict[str, str]:
    """Advertised definitions of a kind by capability id, in the endpoint's stable order."""
    shown: dict[str, str] = {}
    for offer in plan.endpoints[endpoint].offers:
        capability = plan.capabilities[offer.capability]
        if capability.kind == kind:
            shown[offer.capability] = advertise(kind, definitions[capability.definition], offer)
    return shown


def kinds_offered(plan: Plan, endpoint: str) -> Iterable[Kind]:
    """The kinds of which the endpoint offers anything, in a fixed order."""
    offered = {plan.capabilities[offer.capability].kind for offer in plan.endpoints[endpoint].offers}
    return [kind for kind in KINDS if kind in offered]


def upstream_arguments(
    offer: Offer, declared: frozenset[str] | None, arguments: Mapping[str, Any], *, judged: bool = False
) -> dict[str, Any]:
    """The arguments exactly as they will be sent: the caller's, plus what the endpoint sets.

    ``declared`` holds the argument names of the locked schema (``None``: it declares none); ``judged`` says that a
    rule's condition reads arguments. Raises ``ArgumentRefusedError`` for a set or hidden argument and, where an
    argument is set or judged, for one that the schema does not declare or that differs from another only by case.
    """
    for name in arguments:
        if name in offer.set or name in offer.hide:
            raise ArgumentRefusedError(f"argument `{name}` is not taken here")
    if judged or offer.set or offer.hide:
        _refuse_lookalikes(offer, declared or frozenset(), arguments)
    sent = dict(arguments)
    for name, text in offer.set.items():
        sent[name] = jsontext.parse(text)
    return sent


def _refuse_lookalikes(offer: Offer, declared: frozenset[str], arguments: Mapping[str, Any]) -> None:
    folded: dict[str, str] = {name.casefold(): name for name in (*offer.set, *offer.hide)}
    for name in arguments:
        if name not in declared:
            raise ArgumentRefusedError(f"argument `{name}` is not declared by this tool")
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise ArgumentRefusedError(f"argument `{name}` differs from another one only by case")


def declared_arguments(definition: Mapping[str, Any]) -> frozenset[str] | None:
    """The argument names of a tool's input schema (top level), or ``None`` where it declares no properties."""
    schema = definition.get("inputSchema")
    properties = cast("dict[str, Any]", schema).get("properties") if isinstance(schema, dict) else None
    return frozenset(cast("dict[str, Any]", properties)) if isinstance(properties, dict) else None
