"""A diff as sections of items in the order that a reviewer reads them: what text, markdown and HTML have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from meshplan.compiler.diff.model import Change, Detail, Diff, Gate, LockChange, TokenCost
from meshplan.compiler.render.diff.access import access_items
from meshplan.compiler.render.diff.item import Item, Sign, Standing, standing
from meshplan.compiler.render.diff.order import costs, definitions, is_over, resources
from meshplan.compiler.render.diff.phrase import Phrase, at, marked, phrase, quoted, value
from meshplan.compiler.render.diff.who import capability_phrase

Key = Literal["gates", "access", "breaking", "widening", "resources", "lock", "tokens"]
_SIGNS: dict[str, Sign] = {"added": "+", "removed": "-", "changed": "~", "redirected": "~"}
TITLES: dict[Key, str] = {
    "gates": "Guards, as they were before this change",
    "access": "Access",
    "breaking": "BREAKING: who worked before may stop working",
    "widening": "WIDENING: somebody can do more",
    "resources": "Resources",
    "lock": "Lock",
    "tokens": "Token cost",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a diff; ``note`` is a sentence before its entries."""

    key: Key
    note: Phrase
    entries: tuple[Item, ...]

    @property
    def title(self) -> str:
        """What stands above it."""
        return TITLES[self.key]


def sections(diff: Diff) -> tuple[Section, ...]:
    """All sections with something in them; the one on access always, as that nothing changed is worth saying."""
    found = (
        Section("gates", (), tuple(_guard(gate) for gate in diff.gates)),
        _access(diff),
        _graded(diff, "breaking"),
        _graded(diff, "widening"),
        Section("resources", (), tuple(_resource(change) for change in resources(diff.changes))),
        Section("lock", (), tuple(_definition(change) for change in definitions(diff.lock))),
        Section("tokens", (), tuple(_cost(cost) for cost in costs(diff.tokens))),
    )
    return tuple(section for section in found if section.entries or section.note)


def _guard(gate: Gate) -> Item:
    kind, _, name = gate.name.partition(" ")
    grades = () if not gate.open else ("CHANGED",) if gate.holds else ("BROKEN",)
    return Item("~" if gate.holds else "-", phrase(f"{kind} ", quoted(name), " ", marked(gate.text)), grades=grades)


def _access(diff: Diff) -> Section:
    note = () if diff.access else phrase("nobody gains or loses anything")
    return Section("access", note, access_items(diff.access))


def _graded(diff: Diff, key: Literal["breaking", "widening"]) -> Section:
    """One line for everything of a grade; access is said above and only counted here."""
    breaking = key == "breaking"
    access = [c for c in diff.access if (c.breaking if breaking else c.widening)]
    open_ones = sum(change.acknowledged is None for change in access)
    agreed = "" if open_ones == len(access) else f", {open_ones} of them not acknowledged"
    words = ("loss", "losses") if breaking else ("gain", "gains")
    note = phrase(f"access: {len(access)} {words[len(access) != 1]}, above{agreed}") if access else ()
    graded = [c for c in resources(diff.changes) if (c.breaking if breaking else c.widening)]
    locked = [c for c in definitions(diff.lock) if (c.breaking if breaking else c.widening)]
    lines = [_brief(change) for change in graded]
    return Section(
        key, note, (*lines, *(Item("~", _located(change), standings=_standings(change)) for change in locked))
    )


def _headline(change: Change) -> Phrase:
    summary = marked(change.summary) if change.summary else phrase(quoted(change.subject), f" {change.verb}")
    return phrase(summary, " (redirected)" if change.verb == "redirected" else "", at(change.place))


def _brief(change: Change) -> Item:
    return Item(_SIGNS[change.verb], _headline(change), standings=_standings(change))


def _resource(change: Change) -> Item:
    return Item(
        _SIGNS[change.verb], _headline(change), details=tuple(map(_leaf, change.details)), grades=_grades(change)
    )


def _standings(change: Change | LockChange) -> tuple[Standing, ...]:
    return (standing(change.fingerprint, change.acknowledged),) if change.breaking or change.widening else ()


def _grades(change: Change | LockChange) -> tuple[str, ...]:
    return (*(("BREAKING",) if change.breaking else ()), *(("WIDENING",) if change.widening else ()))


def _definition(change: LockChange) -> Item:
    sign: Sign = "+" if "new" in change.classes else "-" if "gone" in change.classes else "~"
    return Item(sign, _located(change), details=tuple(map(_leaf, change.details)), grades=_grades(change))


def _located(change: LockChange) -> Phrase:
    return phrase(definition_headline(change), at(change.place))


def definition_headline(change: LockChange) -> Phrase:
    """What changed about a definition or a server, in one sentence."""
    what = phrase("server ", quoted(change.server))
    if change.capability is not None:
        what = capability_phrase(change.capability, change.server)
    said = phrase(what, ": ", marked(", ".join(change.classes) or "changed"))
    if change.renamed_from is None:
        return said
    score = "" if change.score is None else f" (score {change.score:.2f})"
    return phrase(
        said,
        "; looks like ",
        capability_phrase(change.renamed_from, change.server),
        score,
        ", and has none of its grants",
    )


def _leaf(detail: Detail) -> Phrase:
    where = phrase(quoted(detail.path), ": ") if detail.path else ()
    if detail.before is None:
        return phrase(where, "now ", value(detail.after))
    if detail.after is None:
        return phrase(where, "was ", value(detail.before))
    return phrase(where, value(detail.before), " → ", value(detail.after))


def _cost(cost: TokenCost) -> Item:
    what = phrase(quoted(cost.endpoint), *((" for role ", quoted(cost.role)) if cost.role is not None else ()))
    sign: Sign = "+" if (cost.after or 0) > (cost.before or 0) else "-" if cost.before != cost.after else "~"
    return Item(sign, phrase(what, ": ", in_tokens(cost)), grades=("OVER THE LIMIT",) if is_over(cost) else ())


def in_tokens(cost: TokenCost) -> str:
    """`1,200 → 2,400 tokens (+1,200), of at most 2,000`."""
    limit = f", of at most {cost.limit:,}" if cost.limit is not None else ""
    if cost.before is None or cost.after is None:
        sides = [("was", cost.before), ("now", cost.after)]
        return (
            ", ".join(f"{word} {number:,} tokens" for word, number in sides if number is not None) or "no list"
        ) + limit
    return f"{cost.before:,} → {cost.after:,} tokens ({cost.after - cost.before:+,}){limit}"


def closing(diff: Diff) -> Iterable[Phrase]:
    """What is said last: acknowledgements that nothing needs any more."""
    for mark in diff.stale_acknowledgements:
        yield phrase("acknowledgement ", quoted(mark), " matches no change any more")
