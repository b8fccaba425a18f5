"""Changes of access as items; those that say the same of several capabilities become one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from meshplan.compiler.diff.model import AccessChange, Cause, Who
from meshplan.compiler.render.diff.item import Item, Sign, standing
from meshplan.compiler.render.diff.order import by_danger
from meshplan.compiler.render.diff.phrase import Phrase, phrase, quoted
from meshplan.compiler.render.diff.who import advertised, capability_phrase, cause_phrase, circumstances, who_phrase
from meshplan.compiler.render.words import counted
from meshplan.schemas.capability import Effect, Kind

_MORE = phrase("of further edits that are not shown")


class _Alike(NamedTuple):
    """What changes have in common to be said together."""

    endpoint: str
    via: str
    kind: Kind
    effect: Effect
    gained: tuple[Who, ...]
    lost: tuple[Who, ...]
    causes: tuple[tuple[Cause, ...], ...]
    more_causes: bool
    acknowledged: str | None


def access_items(changes: Iterable[AccessChange]) -> tuple[Item, ...]:
    """The most dangerous first; a group stands where its first member would."""
    groups: dict[_Alike, list[AccessChange]] = {}
    for c in by_danger(changes):
        alike = _Alike(c.endpoint, c.via, c.kind, c.effect, c.gained, c.lost, c.causes, c.more_causes, c.acknowledged)
        groups.setdefault(alike, []).append(c)
    return tuple(_item(alike, members) for alike, members in groups.items())


def _item(alike: _Alike, members: list[AccessChange]) -> Item:
    first = members[0]
    alone = len(members) == 1
    what = _one(first) if alone else phrase(counted(len(members), alike.kind))
    lines = [_line(who, " gains ", what, alike) for who in alike.gained]
    lines += [_line(who, " loses ", what, alike) for who in alike.lost]
    sign: Sign = "~" if alike.gained and alike.lost else "+" if alike.gained else "-"
    single = (standing(first.fingerprint, first.acknowledged),)
    return Item(
        sign,
        lines[0] if lines else phrase(what, f" ({alike.effect}) changed", _place(alike)),
        also=tuple(lines[1:]),
        members=() if alone else tuple(_member(member) for member in members),
        causes=(*(cause_phrase(causes) for causes in alike.causes), *([_MORE] if alike.more_causes else [])),
        standings=single if alone else (),
        effect=alike.effect,
    )


def _line(who: Who, verb: str, what: Phrase, alike: _Alike) -> Phrase:
    return phrase(who_phrase(who), verb, what, f" ({alike.effect})", _place(alike), circumstances(who))


def _place(alike: _Alike) -> Phrase:
    through = phrase(" through ", quoted(alike.via.partition("/")[0])) if alike.via.startswith("workflow:") else ()
    return phrase(through, " at ", quoted(alike.endpoint))


def _one(change: AccessChange) -> Phrase:
    return phrase(capability_phrase(change.capability), advertised(change))


def _member(change: AccessChange) -> Phrase:
    """A capability with the mark under which it is acknowledged."""
    return phrase(_one(change), ", ", standing(change.fingerprint, change.acknowledged).text)
