"""Selectors to capabilities: `all`, globs on upstream names, filters by effect; never beyond the lock."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.syntax.access import RuleEntry
from meshplan.compiler.syntax.selectors import ByEffect
from meshplan.compiler.syntax.virtual import Include
from meshplan.schemas.capability import CapabilityKey, Kind
from meshplan.schemas.decide import glob_match

KEY_OF: dict[Kind, str] = {"tool": "tools", "prompt": "prompts", "resource": "resources", "template": "templates"}
Selecting = Include | RuleEntry


def is_glob(text: str) -> bool:
    """Whether the text has a wildcard."""
    return "*" in text or "?" in text


def select(context: Context, server: str, selecting: Selecting, kind: Kind, path: Path) -> list[CapabilityKey]:
    """The locked capabilities of one kind that a selector means, in name order."""
    selector = getattr(selecting, KEY_OF[kind])
    lock = context.locks.get(server)
    if selector is None or lock is None or selector == "live":
        return []
    names = lock.names(kind)
    place = (*path, KEY_OF[kind])
    if selector == "all":
        chosen: Iterable[str] = names
    elif isinstance(selector, ByEffect):
        wanted = selector.effects
        chosen = [n for n in names if context.capabilities[CapabilityKey(server, kind, n)].effect in wanted]
        if not chosen:
            context.say("glob-matches-nothing", place, f"no locked {kind} of `{server}` has that effect")
    else:
        live = kind == "resource" and isinstance(selecting, RuleEntry)
        chosen = _by_globs(context, server, kind, selector, place, lenient=live)
    return [CapabilityKey(server, kind, name) for name in chosen]


def _by_globs(context: Context, server: str, kind: Kind, globs: list[str], path: Path, *, lenient: bool) -> list[str]:
    """``lenient``: a pattern that no locked name matches may be meant for live resources."""
    names = context.locks[server].names(kind)
    chosen: set[str] = set()
    for index, glob in enumerate(globs):
        matched = [name for name in names if glob_match(glob, name)]
        if not matched and not lenient:
            if is_glob(glob):
                context.say("glob-matches-nothing", (*path, index), f"`{glob}` matches no locked {kind} of `{server}`")
            else:
                _unknown(context, server, kind, glob, (*path, index))
        chosen.update(matched)
    return sorted(chosen)


def _unknown(context: Context, server: str, kind: Kind, name: str, path: Path) -> None:
    from meshplan.compiler.suggest import closest

    meant = closest(name, context.locks[server].names(kind))
    context.say(
        f"unknown-{kind}",
        path,
        f"`{server}` has no {kind} `{name}` in its lock",
        help=f"did you mean `{meant}`?" if meant else f"if it is new upstream, run `mesh lock --update {server}`",
        fix=meant,
    )


def excepted(context: Context, include: Include, path: Path) -> set[str]:
    """The upstream names that an include takes away; a plain name that does not exist is a slip that exposes."""
    lock = context.locks.get(include.server)
    if lock is None:
        return set()
    names = {key.name for key in lock.definitions}
    gone: set[str] = set()
    for index, glob in enumerate(include.except_):
        matched = {name for name in names if glob_match(glob, name)}
        if not matched and not is_glob(glob):
            context.known("tool", glob, names, (*path, "except", index))
        gone |= matched
    return gone
