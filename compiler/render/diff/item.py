"""One entry of a section: a headline, what belongs to it, why it is, and whether somebody agreed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meshplan.compiler.render.diff.phrase import PROSE, Phrase, phrase, quoted
from meshplan.schemas.capability import Effect

Sign = Literal["+", "-", "~"]


@dataclass(frozen=True, slots=True)
class Standing:
    """That a change was agreed to, or under which fingerprint it could be; ``text`` says either."""

    agreed: bool
    text: Phrase


@dataclass(frozen=True, slots=True)
class Item:
    """One entry; every tuple is in the order to show it, and none is cut."""

    sign: Sign
    headline: Phrase
    also: tuple[Phrase, ...] = ()
    """Further headlines of the same change."""
    members: tuple[Phrase, ...] = ()
    """The capabilities that the headline only counts."""
    details: tuple[Phrase, ...] = ()
    causes: tuple[Phrase, ...] = ()
    """Each alone is a reason."""
    standings: tuple[Standing, ...] = ()
    grades: tuple[str, ...] = ()
    effect: Effect | None = None


def standing(fingerprint: str, acknowledged: str | None) -> Standing:
    """What there is to say about one fingerprint."""
    change = phrase("change ", quoted(fingerprint))
    if acknowledged is None:
        return Standing(agreed=False, text=phrase(change, ", not acknowledged"))
    return Standing(agreed=True, text=phrase(change, ", acknowledged: ", quoted(acknowledged, PROSE)))
