"""How numbers, durations and foreign text read on a page."""

from __future__ import annotations

from math import inf

NOTHING = "\N{EN DASH}"
LONGEST = 200
"""Characters of a text that somebody else made up."""


def seen(value: object) -> str:
    """Text with everything that would not show, or would reorder what stands around it, spelled out."""
    text = str(value)
    kept = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in kept)


def took(seconds: float | None) -> str:
    """A duration, with the unit that leaves few digits."""
    if seconds is None:
        return NOTHING
    if seconds == inf:
        return "> 300 s"
    if seconds < 0.9995:
        return f"{1000 * seconds:.{2 if seconds < 0.01 else 3}g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def number(value: int) -> str:
    """A whole number, in groups of three."""
    return f"{value:,}"


def short(digest: str | None) -> str:
    """The first characters of a digest, which tell plans apart."""
    return NOTHING if digest is None else digest.removeprefix("sha256:")[:12]
