"""Where things stand in a plot: numbers for SVG, in a box of ``WIDTH`` by ``HEIGHT``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

WIDTH: Final = 720.0
HEIGHT: Final = 120.0
GAP: Final = 2.0


class Rect(NamedTuple):
    """One part of a bar; ``kind`` is a class of the style sheet."""

    x: float
    y: float
    width: float
    height: float
    kind: str


class Count(NamedTuple):
    """Calls of a stretch of time that ended well, were refused by the mesh, and failed."""

    label: str
    ok: int
    refused: int
    failed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.ok + self.refused + self.failed


@dataclass(frozen=True, slots=True)
class Bars:
    """A stacked bar for each count; ``most`` is what the highest stands for."""

    counts: tuple[Count, ...]
    rects: tuple[Rect, ...]
    most: int

    @property
    def total(self) -> int:
        """All that is shown."""
        return sum(count.total for count in self.counts)

    @property
    def refused(self) -> int:
        """All that the mesh refused."""
        return sum(count.refused for count in self.counts)

    @property
    def failed(self) -> int:
        """All that failed."""
        return sum(count.failed for count in self.counts)


def bars(counts: Sequence[Count]) -> Bars:
    """Bars from left to right, what failed at the bottom, where it is seen best."""
    most = max((count.total for count in counts), default=0)
    step = WIDTH / max(1, len(counts))
    rects: list[Rect] = []
    for place, count in enumerate(counts):
        y = HEIGHT
        for kind in ("failed", "refused", "ok"):
            number: int = getattr(count, kind)
            height = HEIGHT * number / most if most else 0.0
            if number:
                height = max(height, 1.5)
                y -= height
                rects.append(_rect(place * step, y, step - GAP, height, kind))
    return Bars(tuple(counts), tuple(rects), most)


def histogram(buckets: Sequence[int], width: float = 108.0, height: float = 24.0) -> tuple[Rect, ...]:
    """One small bar a bucket, the highest as high as the box."""
    most, step = max(buckets, default=0), width / max(1, len(buckets))
    return tuple(
        _rect(place * step, height - found, step - 1, found, "took")
        for place, number in enumerate(buckets)
        if number and (found := max(1.5, height * number / most))
    )


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Rect:
    return Rect(round(x, 2), round(y, 2), round(width, 2), round(height, 2), kind)
