"""`policies:` to what is judged: packs and files joined, levels set, exceptions put where they belong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.reader import Reader
from meshplan.compiler.resolve.conditions import compile_at
from meshplan.compiler.resolve.context import Context

if TYPE_CHECKING:
    from meshplan.compiler.assure.packs import PolicyEntry, PolicySource

PACKS: Final = ("builtin/safe-defaults",)
OWN: Final = "MESH699"
"""The code of policies that are the user's own."""
_FACT: Final = re.compile(r"\{([A-Za-z_]*)\}")


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies by name as data, and the texts of the files that were read."""

    judged: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])


def resolve_policies(context: Context, reader: Reader) -> Policies:
    """Every policy in use that is not skipped; what is wrong with files, names and expressions is reported."""
    written = context.mesh.policies
    for index, pack in enumerate(written.use):
        context.known("policy", pack, PACKS, ("policies", "use", index))
    if not (written.use or written.files or written.levels or written.except_):
        return Policies()
    from meshplan.compiler.assure.packs import builtin, own

    sources: list[tuple[PolicySource, bool]] = [
        (builtin(pack), True) for pack in dict.fromkeys(written.use) if pack in PACKS
    ]
    read, texts, found = own(reader, _files(context, reader))
    context.found += found
    sources += [(source, False) for source in read]
    entries: dict[str, JsonValue] = {}
    for source, built_in in sources:
        within = context if built_in else replace(context, root=source.root, whole=source.root, texts=texts)
        for index, entry in enumerate(source.entries):
            path: Path = ("policies", index)
            if not built_in:
                _check(within, entry, path, taken=entry.name in entries)
            entries.setdefault(entry.name, _data(entry, written.levels.get(entry.name, entry.level)))
    _place_exceptions(context, entries)
    skipped = {name for name, level in written.levels.items() if level == "skip"}
    if not found:
        for index, name in enumerate(written.levels):
            del index
            context.known("policy", name, entries, ("policies", "levels", name), key=True)
    return Policies({name: data for name, data in sorted(entries.items()) if name not in skipped}, texts)


def _files(context: Context, reader: Reader) -> list[str]:
    names: dict[str, None] = {}
    for index, pattern in enumerate(context.mesh.policies.files):
        matched = reader.names(pattern)
        if not matched:
            context.say("include-missing", ("policies", "files", index), f"`{pattern}` matches no file")
        names |= dict.fromkeys(matched)
    return list(names)


def _data(entry: PolicyEntry, level: str) -> JsonValue:
    return {
        "for": entry.for_,
        "code": entry.code or OWN,
        "level": level,
        "where": entry.where,
        "require": entry.require,
        "says": entry.says,
        "help": entry.help,
        "except": [],
    }


def _check(context: Context, entry: PolicyEntry, path: Path, *, taken: bool) -> None:
    """What the user's own policy may do wrong beyond its form."""
    from meshplan.compiler.assure.facts import TYPES
    from meshplan.compiler.expressions.types import MapType

    if taken:
        context.say("duplicate-name", (*path, "name"), f"two policies are named `{entry.name}`")
    if entry.code is not None:
        context.say(
            "bad-value", (*path, "code"), "only built-in policies have a code of their own", help="leave it out"
        )
    kind = TYPES[entry.for_]
    for key, text in (("where", entry.where), ("require", entry.require)):
        if text is not None:
            compile_at(context, (*path, key), text, {entry.for_: kind})
    facts: Iterable[str] = kind.fields if isinstance(kind, MapType) else ()
    for key, text in (("says", entry.says), ("help", entry.help)):
        for fact in _FACT.findall(text or ""):
            if fact not in facts:
                known = ", ".join(f"`{name}`" for name in facts)
                message = f"a {entry.for_} has no fact `{fact}`"
                context.say("bad-value", (*path, key), message, help=f"its facts are {known}")


def _place_exceptions(context: Context, entries: dict[str, JsonValue]) -> None:
    for index, exception in enumerate(context.mesh.policies.except_):
        if not context.known("policy", exception.policy, entries, ("policies", "except", index, "policy")):
            continue
        policy: Any = entries[exception.policy]
        made = {"at": exception.at, "reason": exception.reason, "until": exception.until}
        excepted: list[Any] = sorted([*policy["except"], made], key=str)
        entries[exception.policy] = {**policy, "except": excepted}
