"""Virtual MCPs: what each offers, under which names, and where two things would answer to one name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import excepted, operations_of, select
from meshplan.compiler.resolved import ResolvedEndpoint, ResolvedOffer
from meshplan.compiler.suggest import did_you_mean
from meshplan.compiler.syntax.virtual import (
    BindingInclude,
    Search,
    ServerInclude,
    ToolOverride,
    Virtual,
    WorkflowInclude,
    kind_of,
)
from meshplan.schemas.capability import KINDS, CapabilityKey
from meshplan.schemas.meta_tools import OWN_NAMES
from meshplan.schemas.surface import declared_arguments


def resolve_endpoint(context: Context, name: str, virtual: Virtual) -> ResolvedEndpoint:
    """One endpoint with its offers sorted by kind and advertised name."""
    path: Path = ("virtual", name)
    offers: list[ResolvedOffer] = []
    live: dict[str, Path] = {}
    before = len(context.found)
    for index, include in enumerate(virtual.include):
        place = (*path, "include", index)
        if isinstance(include, ServerInclude):
            offers += _of_server(context, include, live, place)
        elif isinstance(include, BindingInclude):
            offers += _of_binding(context, include, place)
        else:
            offers += _of_workflow(context, include, place)
    unlocked = any(isinstance(i, ServerInclude) and i.server not in context.locks for i in virtual.include)
    quiet = unlocked or len(context.found) > before or context.lacks((*path, "include"))
    offers = _overridden(context, path, virtual.tools, offers, quiet=quiet)
    offers = _distinct(context, path, offers)
    _check_own(context, virtual, offers)
    if not quiet:
        _check_pinned(context, path, virtual, offers)
    order = {kind: position for position, kind in enumerate(KINDS)}
    offers.sort(key=lambda offer: (order[offer.capability.kind], offer.name))
    return ResolvedEndpoint(name, virtual.description, tuple(offers), live)


def _check_own(context: Context, virtual: Virtual, offers: list[ResolvedOffer]) -> None:
    """No tool may be called like one that the strategy brings itself; what one include brings in is told at once."""
    kind = kind_of(virtual.strategy)
    own = OWN_NAMES.get(kind, ())
    clashing: dict[Path, list[ResolvedOffer]] = {}
    for offer in offers:
        if offer.capability.kind == "tool" and offer.name in own:
            clashing.setdefault(offer.path, []).append(offer)
    for path, found in clashing.items():
        names = " and ".join(f"`{offer.name}` ({_owned(offer.capability)})" for offer in found)
        told = "is the name of a tool" if len(found) == 1 else "are names of tools"
        context.say(
            "name-collision",
            path,
            f"{names} {told} that the strategy `{kind}` brings itself",
            help=_APART["tool"],
        )


def _check_pinned(context: Context, path: Path, virtual: Virtual, offers: list[ResolvedOffer]) -> None:
    """A tool that is always listed must be one that the endpoint offers."""
    if isinstance(virtual.strategy, Search):
        tools = [offer.name for offer in offers if offer.capability.kind == "tool"]
        for index, name in enumerate(virtual.strategy.search.pinned):
            if name not in tools:
                context.say(
                    "unknown-override",
                    (*path, "strategy", "search", "pinned", index),
                    f"this endpoint offers no tool `{name}` to pin",
                    help=did_you_mean(name, tools) or "pin a tool by the name under which it is offered",
                )


_HOW = "add `tools`, `prompts`, `resources` or `templates`"


def _of_server(context: Context, include: ServerInclude, live: dict[str, Path], path: Path) -> list[ResolvedOffer]:
    if not context.known("server", include.server, context.mesh.servers, (*path, "server")):
        return []
    if include.resources == "live":
        live[include.server] = (*path, "resources")
    before = len(context.found)
    chosen = _selected(context, include, path)
    quiet = len(context.found) > before or include.server not in context.locks or include.resources == "live"
    if not chosen and not quiet and not context.lacks(path):
        advice = "`except` takes away all that it selects" if include.except_ else _HOW
        context.say("include-empty", path, f"this include of `{include.server}` selects nothing", help=advice)
    return chosen


def _of_binding(context: Context, include: BindingInclude, path: Path) -> list[ResolvedOffer]:
    if not context.known("binding", include.binding, context.mesh.bindings, (*path, "binding")):
        return []
    made = context.made.get(f"binding:{include.binding}", [])
    if include.operations:
        names = operations_of(context, include.binding)
        wanted = {
            name
            for index, name in enumerate(include.operations)
            if context.known("operation", name, names, (*path, "operations", index))
        }
        made = [key for key in made if key.name in wanted]
    prefix = include.prefix or ""
    return [_offer(context, key, prefix, path) for key in sorted(made)]


def _of_workflow(context: Context, include: WorkflowInclude, path: Path) -> list[ResolvedOffer]:
    if not context.known("workflow", include.workflow, context.mesh.workflows, (*path, "workflow")):
        return []
    key = CapabilityKey(f"workflow:{include.workflow}", "tool", include.workflow)
    return [_offer(context, key, include.prefix or "", path)]


def _offer(context: Context, key: CapabilityKey, prefix: str, path: Path) -> ResolvedOffer:
    """A tool that the mesh makes, under the name in its definition."""
    return ResolvedOffer(key, prefix + str(context.capabilities[key].locked.definition["name"]), None, {}, (), path)


def _selected(context: Context, include: ServerInclude, path: Path) -> list[ResolvedOffer]:
    gone = excepted(context, include, path)
    offers: list[ResolvedOffer] = []
    for kind in KINDS:
        for key in select(context, include.server, include, kind, path):
            if key.name not in gone:
                prefix = include.prefix if include.prefix and kind in ("tool", "prompt") else ""
                offers.append(ResolvedOffer(key, prefix + key.name, None, {}, (), path))
    return offers


def _overridden(
    context: Context, path: Path, overrides: Mapping[str, ToolOverride], offers: list[ResolvedOffer], *, quiet: bool
) -> list[ResolvedOffer]:
    tools = {offer.name: offer for offer in offers if offer.capability.kind == "tool"}
    for name in overrides:
        if name not in tools and not quiet:
            context.say(
                "unknown-override",
                (*path, "tools", name),
                f"this endpoint offers no tool `{name}` to change",
                help=did_you_mean(name, tools) or "the key is the tool's name after `prefix`",
                key=True,
            )
    return [
        _changed(context, (*path, "tools", offer.name), offer, overrides[offer.name])
        if offer.capability.kind == "tool" and offer.name in overrides
        else offer
        for offer in offers
    ]


def _changed(context: Context, path: Path, offer: ResolvedOffer, override: ToolOverride) -> ResolvedOffer:
    definition = context.capabilities[offer.capability].locked.definition
    declared = declared_arguments(definition) or frozenset()
    for argument in override.set:
        _check_argument(context, offer.capability, argument, declared, (*path, "set", argument), key=True)
    for index, argument in enumerate(override.hide):
        _check_argument(context, offer.capability, argument, declared, (*path, "hide", index), key=False)
        if argument in _required(definition) and argument not in override.set:
            context.say(
                "hides-required",
                (*path, "hide", index),
                f"`{argument}` is required by `{offer.capability.name}`: hidden, nobody can call the tool",
                help=f"give it a value with `set: {{{argument}: …}}`",
            )
    return ResolvedOffer(
        offer.capability,
        override.name or offer.name,
        override.description,
        dict(override.set),
        tuple(sorted(set(override.hide))),
        offer.path,
    )


def _required(definition: Mapping[str, Any]) -> list[str]:
    schema = definition.get("inputSchema")
    required: Any = cast("dict[str, Any]", schema).get("required") if isinstance(schema, dict) else None
    return [str(name) for name in cast("list[Any]", required)] if isinstance(required, list) else []


def _check_argument(
    context: Context, tool: CapabilityKey, argument: str, declared: frozenset[str], path: Path, *, key: bool
) -> None:
    if argument not in declared:
        context.say(
            "unknown-argument",
            path,
            f"`{tool.name}` of `{tool.server}` has no argument `{argument}`",
            help=did_you_mean(argument, declared),
            key=key,
        )


_APART = {
    "tool": "give one of the includes a `prefix`, or one of the tools another `name`",
    "prompt": "give one of the includes a `prefix`",
    "resource": "take one away with `except`",
    "template": "take one away with `except`",
}


def _owned(capability: CapabilityKey) -> str:
    return f"`{capability.name}` of `{capability.server}`"


def _distinct(context: Context, path: Path, offers: list[ResolvedOffer]) -> list[ResolvedOffer]:
    """One offer for each name and each capability; a second claim to either is reported."""
    by_name: dict[tuple[str, str], ResolvedOffer] = {}
    by_capability: dict[CapabilityKey, ResolvedOffer] = {}
    for offer in offers:
        kind = offer.capability.kind
        first = by_name.get((kind, offer.name))
        again = by_capability.get(offer.capability)
        if again is not None:
            if again.name != offer.name:
                context.say(
                    "offered-twice",
                    offer.path,
                    f"{kind} `{offer.capability.name}` of `{offer.capability.server}` is offered under two names: "
                    f"`{again.name}` and `{offer.name}`",
                    related=((again.path, "first offered here"),),
                    help="select it in one include only, or take it away with `except`",
                )
            continue
        if first is not None:
            context.say(
                "name-collision",
                offer.path,
                f"two {kind}s of `{path[1]}` would both be called `{offer.name}`: "
                f"{_owned(first.capability)} and {_owned(offer.capability)}",
                related=((first.path, "the other one comes from here"),),
                help=_APART[kind],
            )
            continue
        by_name[kind, offer.name] = offer
        by_capability[offer.capability] = offer
    return list(by_capability.values())
