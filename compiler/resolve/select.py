"""Selectors to capabilities: `all`, globs on upstream names, filters by effect; never beyond the lock."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.syntax.access import Reach
from meshplan.compiler.syntax.selectors import KEY_OF, ByEffect
from meshplan.compiler.syntax.virtual import ServerInclude
from meshplan.schemas.capability import EFFECTS, KINDS, CapabilityKey, Kind
from meshplan.schemas.globs import glob_match

Selecting = ServerInclude | Reach


def is_glob(text: str) -> bool:
    """Whether the text has a wildcard."""
    return "*" in text or "?" in text


def select(context: Context, server: str, selecting: Selecting, kind: Kind, path: Path) -> list[CapabilityKey]:
    """The locked capabilities of one kind that a selector means, in name order."""
    selector = getattr(selecting, KEY_OF[kind])
    lock = context.locks.get(server)
    if selector is None or lock is None or selector == "live":
        return []
    names = context.names(server, kind)
    place = (*path, KEY_OF[kind])
    if selector == "all":
        chosen: Iterable[str] = names
    elif isinstance(selector, ByEffect):
        wanted = selector.effects
        chosen = [n for n in names if context.capabilities[CapabilityKey(server, kind, n)].effect in wanted]
        if not chosen:
            context.say("glob-matches-nothing", place, f"no locked {kind} of `{server}` has that effect")
    else:
        live = kind == "resource" and isinstance(selecting, Reach)
        chosen = _by_globs(context, server, kind, selector, place, lenient=live)
    return [CapabilityKey(server, kind, name) for name in chosen]


def _by_globs(context: Context, server: str, kind: Kind, globs: list[str], path: Path, *, lenient: bool) -> list[str]:
    """``lenient``: a pattern that no locked name matches may be meant for live resources."""
    names = context.names(server, kind)
    chosen: set[str] = set()
    for index, glob in enumerate(globs):
        matched = [name for name in names if glob_match(glob, name)]
        if not matched and not lenient:
            if is_glob(glob):
                context.say("glob-matches-nothing", (*path, index), f"`{glob}` matches no locked {kind} of `{server}`")
            else:
                context.known(kind, glob, names, (*path, index), of=server)
        chosen.update(matched)
    return sorted(chosen)


def excepted(context: Context, include: ServerInclude, path: Path) -> set[str]:
    """The upstream names that an include takes away; a plain name that does not exist is a slip that exposes."""
    lock = context.locks.get(include.server)
    if lock is None:
        return set()
    names = {key.name for key in lock.definitions}
    gone: set[str] = set()
    for index, glob in enumerate(include.except_):
        matched = {name for name in names if glob_match(glob, name)}
        if not matched and not is_glob(glob):
            context.known("tool", glob, names, (*path, "except", index), of=include.server)
        gone |= matched
    return gone


def reached(context: Context, reach: Reach, path: Path) -> tuple[CapabilityKey, ...]:
    """The capabilities that a rule, a budget or an invariant means, sorted: by maker, then by effect and tag."""
    _check_keys(context, reach, path)
    if not reach.model_fields_set <= _NOT_OF_EVERY_MAKER:
        return tuple(sorted(set(_reached(context, reach, path))))
    effects = frozenset([reach.effect] if isinstance(reach.effect, str) else reach.effect or EFFECTS)
    if effects not in context.everywhere:
        context.everywhere[effects] = tuple(
            sorted(key for key, known in context.capabilities.items() if known.effect in effects)
        )
    return context.everywhere[effects]


_NOT_OF_EVERY_MAKER = frozenset(("effect", "id", "endpoint", "models", "when"))
"""Keys of a rule that leave it to mean every server's capabilities: many roles deny `{effect: destructive}`."""


def _reached(context: Context, reach: Reach, path: Path) -> list[CapabilityKey]:
    makers = _makers(context, reach, path)
    kinds: list[Kind] = [kind for kind in KINDS if getattr(reach, KEY_OF[kind]) is not None]
    found: list[CapabilityKey] = []
    for maker in makers:
        if ":" in maker:
            found += [] if kinds else _made(context, maker, reach, path)
        elif kinds:
            for kind in kinds:
                found += select(context, maker, reach, kind, path)
        elif maker in context.locks:
            found += context.locks[maker].definitions
    if reach.effect is not None:
        wanted = {reach.effect} if isinstance(reach.effect, str) else set(reach.effect)
        found = [key for key in found if context.capabilities[key].effect in wanted]
    if reach.tag is not None:
        tags = {tag for server in context.mesh.servers.values() for tag in server.tags}
        context.known("tag", reach.tag, tags, (*path, "tag"))
        found = [key for key in found if reach.tag in context.capabilities[key].tags]
    return found


_MAKERS = ("server", "binding", "workflow")


def _check_keys(context: Context, reach: Reach, path: Path) -> None:
    """Keys of which one would be ignored beside another."""
    makers = [key for key in _MAKERS if getattr(reach, key) is not None]
    others = makers[1:]
    if makers and makers[0] != "server":
        others += [key for key in KEY_OF.values() if getattr(reach, key) is not None]
    for key in others:
        message = f"`{makers[0]}` and `{key}` exclude each other in one rule"
        advice = "write two rules, or keep one of the two keys"
        context.say("conflicting-keys", (*path, key), message, key=True, help=advice)
    if reach.operations and reach.binding is None and not context.lacks(path):
        message = "`operations` narrows a binding, and this names none"
        context.say("conflicting-keys", (*path, "operations"), message, key=True, help="add `binding: NAME`")


def _makers(context: Context, reach: Reach, path: Path) -> list[str]:
    """Servers by name, and `binding:NAME` or `workflow:NAME`; nothing named means all of them."""
    if reach.binding is not None:
        known = context.known("binding", reach.binding, context.mesh.bindings, (*path, "binding"))
        return [f"binding:{reach.binding}"] if known else []
    if reach.workflow is not None:
        known = context.known("workflow", reach.workflow, context.mesh.workflows, (*path, "workflow"))
        return [f"workflow:{reach.workflow}"] if known else []
    if reach.server is None:
        made = [
            *(f"binding:{name}" for name in context.mesh.bindings),
            *(f"workflow:{n}" for n in context.mesh.workflows),
        ]
        return [*sorted(context.mesh.servers), *sorted(made)]
    return named_servers(context, reach.server, path)


def named_servers(context: Context, server: str | list[str], path: Path) -> list[str]:
    """The servers that are named and exist."""
    if isinstance(server, str):
        return [server] if context.known("server", server, context.mesh.servers, (*path, "server")) else []
    return [
        name
        for index, name in enumerate(server)
        if context.known("server", name, context.mesh.servers, (*path, "server", index))
    ]


def _made(context: Context, maker: str, reach: Reach, path: Path) -> list[CapabilityKey]:
    """The tools of a binding or workflow, narrowed to the operations that are named."""
    keys = context.made.get(maker, [])
    if not reach.operations:
        return keys
    names = operations_of(context, maker)
    return [
        CapabilityKey(maker, "tool", name)
        for index, name in enumerate(reach.operations)
        if context.known("operation", name, names, (*path, "operations", index)) and name in {key.name for key in keys}
    ]


def operations_of(context: Context, maker: str) -> list[str]:
    """The operations that a binding maps, those with a mistake of their own included.

    Where one that it maps is none of the contract, what the contract has counts as mapped: the slip is told there, once.
    """
    binding = context.mesh.bindings.get(maker.removeprefix("binding:"))
    return [] if binding is None else [*binding.map, *context.slipped.get(maker, ())]
