"""What fits into a limit of characters: fair shares for parts, whole pieces only, and a count of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """One entry in full, and in brief for when there is little room."""

    full: str
    brief: str


def shares(sizes: Sequence[int], room: int) -> list[int]:
    """Room for each part: what a small one does not need goes to the larger ones; never more than ``room`` in all."""
    granted = [0] * len(sizes)
    left = max(room, 0)
    order = sorted(range(len(sizes)), key=lambda index: sizes[index])
    for position, index in enumerate(order):
        granted[index] = min(sizes[index], left // (len(order) - position))
        left -= granted[index]
    return granted


@dataclass(frozen=True, slots=True)
class Fitted:
    """The texts of the first pieces; how many of these are brief, and how many pieces are left out."""

    texts: list[str]
    brief: int
    left: int


def fitting(pieces: Sequence[Piece], room: int) -> Fitted:
    """The first pieces: all in full where they fit, else in full within three fifths of the room and then in brief."""
    if sum(len(piece.full) for piece in pieces) <= room:
        return Fitted([piece.full for piece in pieces], 0, 0)
    used = brief = 0
    found: list[str] = []
    for piece in pieces:
        shortened = brief > 0 or used + len(piece.full) > room * 3 // 5
        text = piece.brief if shortened else piece.full
        if used + len(text) > room:
            break
        used += len(text)
        brief += shortened
        found.append(text)
    return Fitted(found, brief, len(pieces) - len(found))
