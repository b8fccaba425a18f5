"""What a comparison of two schemas ends in: a verdict, its reasons in words, and the work that it may take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from meshplan.schemas import jsontext

Direction = Literal["input", "output"]
Kind = Literal["compatible", "incompatible", "unknown"]

MAX_STEPS: Final = 20_000
MAX_REASONS: Final = 20

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "nothing": ("is not taken any more", "was not allowed, and may be there now"),
    "type": ("no longer takes `{}`", "may now be `{}`"),
    "value": ("no longer takes `{}`", "may now be `{}`"),
    "values": ("takes only certain values now", "is no longer limited to certain values"),
    "required": ("is required now", "is no longer always there"),
    "bound": ("its `{}` allows less now", "its `{}` is no longer kept"),
    "closed": ("takes no undeclared properties any more", "may now have undeclared properties"),
    "choice": ("what was taken fits no alternative now", "may now be something that fits no alternative"),
    "undeclared": ("is new; whoever sent it undeclared may fail", "is no longer promised; it may come undeclared"),
}
"""Reasons, for an input that takes less and for an output that may be more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known, and where and why: JSON pointers into the value, `*` for any item or undeclared property.

    Reasons of a `compatible` verdict are what it takes for granted: that nobody sends, and nothing returns, properties
    that a schema with `properties` neither declares nor speaks of in `additionalProperties`.
    """

    kind: Kind
    reasons: tuple[tuple[str, str], ...] = ()


YES: Final = Verdict("compatible")


class Allowance:
    """How much work may still be done; shared by comparisons that together must end soon."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> bool:
        """Take some; False where there is none left."""
        self.left -= steps
        return self.left >= 0


def narrowed(direction: Direction, path: str, why: str, detail: str = "") -> Verdict:
    """An incompatible verdict with one reason in words."""
    return Verdict("incompatible", ((path, worded(direction, why, detail)),))


def worded(direction: Direction, why: str, detail: str = "") -> str:
    """One of the reasons, for an input or an output."""
    return _WORDS[why][0 if direction == "input" else 1].format(detail)


def unknown(path: str, text: str) -> Verdict:
    """An undecided verdict with one reason."""
    return Verdict("unknown", ((path, text),))


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them, with the reasons of that kind."""
    found = list(verdicts)
    kinds = {verdict.kind for verdict in found}
    worst: Kind = "incompatible" if "incompatible" in kinds else "unknown" if "unknown" in kinds else "compatible"
    reasons = dict.fromkeys(reason for v in found if v.kind == worst for reason in v.reasons)
    return Verdict(worst, tuple(reasons)[:MAX_REASONS])


def at(path: str, name: str) -> str:
    """The JSON pointer of a property (RFC 6901)."""
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def brief(value: object) -> str:
    """A value in a few characters."""
    text = value if isinstance(value, str) else jsontext.canonical(value)
    return text if len(text) <= 60 else text[:59] + "…"
