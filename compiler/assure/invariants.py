"""Each invariant's verdict on one plan: it holds, or these principals break it; and on how many labels that rests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from meshplan.compiler.assure.cells import Atlas, Cell, Spot
from meshplan.compiler.assure.judge import Exclusive, Judge, TooManyError
from meshplan.compiler.assure.labels import LIVE, Label, Labels, by_effect, matches, matches_live
from meshplan.compiler.assure.statement import Statement
from meshplan.compiler.assure.verdict import Counterexample, Verdict
from meshplan.compiler.syntax.access import Reach
from meshplan.schemas.capability import CapabilityKey, EffectSource

Readings = Sequence[Labels]
"""A selector means a capability that it means under any of these; the first says where effects come from."""


class Survey:
    """All spots of one plan under some readings, for one invariant after the other."""

    def __init__(self, atlas: Atlas, readings: Readings, exclusive: Exclusive) -> None:
        self._readings, self._exclusive = readings, exclusive
        self._spots = list(atlas.spots())
        self._keys: dict[str, tuple[CapabilityKey, tuple[Label, ...]]] = {}
        for spot, _ in self._spots:
            if not spot.live and spot.capability not in self._keys:
                labels = [reading[spot.capability] for reading in readings if spot.capability in reading]
                self._keys[spot.capability] = CapabilityKey.of(spot.capability), tuple(dict.fromkeys(labels))

    def verdict(self, statement: Statement) -> Verdict:
        """Judge one invariant."""
        judge = Judge(statement, self._exclusive)
        parts = [list(self._meant(part)) for part in statement.parts]
        unproved = False
        found: list[Counterexample] = []
        try:
            for scope in _scopes(parts, apart=statement.within_endpoint or len(parts) == 1):
                found += _broken(judge, scope)
        except TooManyError:
            unproved = True
        sources = self._sources(statement.parts)
        return Verdict(
            statement,
            tuple(sorted(found, key=lambda c: (len(c.reached.subjects), c.spots))),
            unproved,
            len({spot.capability for part in parts for spot, _ in part}),
            sources.count("annotated"),
            sources.count("assumed"),
        )

    def _meant(self, reach: Reach) -> Iterator[tuple[Spot, Cell]]:
        meant = {
            name for name, (key, labels) in self._keys.items() if any(matches(reach, key, label) for label in labels)
        }
        for spot, cell in self._spots:
            if matches_live(reach, CapabilityKey.of(spot.capability).server) if spot.live else spot.capability in meant:
                yield spot, cell

    def _sources(self, parts: Iterable[Reach]) -> list[EffectSource]:
        """Where the effects that decide come from: of what the selectors would mean whatever its effect."""
        asking = [part for part in parts if by_effect(part)]
        return [
            (labels[0] if labels else LIVE).source
            for key, labels in self._keys.values()
            if any(matches(part, key, label, effects=False) for part in asking for label in labels)
        ]


Part = list[tuple[Spot, Cell]]


def _scopes(parts: Sequence[Part], *, apart: bool) -> Iterator[list[Part]]:
    """What must not be reached together: the parts at each endpoint, or all over the mesh."""
    if not apart:
        yield list(parts)
        return
    by_endpoint: list[dict[str, Part]] = [{} for _ in parts]
    for found, part in zip(by_endpoint, parts, strict=True):
        for spot, cell in part:
            found.setdefault(spot.endpoint, []).append((spot, cell))
    for endpoint in by_endpoint[0]:
        yield [found.get(endpoint, []) for found in by_endpoint]


def _broken(judge: Judge, parts: list[Part]) -> Iterator[Counterexample]:
    """With one part each spot that is reached; with several one way to reach them together."""
    if len(parts) == 1:
        for spot, cell in parts[0]:
            reached = judge.reached((cell,))
            if reached is not None:
                yield Counterexample((spot,), reached)
        return
    reachable: list[dict[Cell, Spot]] = []
    for part in parts:
        cells: dict[Cell, Spot] = {}
        for spot, cell in part:
            cells.setdefault(cell, spot)
        reachable.append({cell: spot for cell, spot in cells.items() if judge.reached((cell,)) is not None})
    for together in product(*reachable):
        reached = judge.reached(together)
        if reached is not None:
            yield Counterexample(tuple(found[cell] for found, cell in zip(reachable, together, strict=True)), reached)
            return


def judge_all(
    atlas: Atlas, statements: Iterable[Statement], readings: Readings, exclusive: Exclusive
) -> tuple[Verdict, ...]:
    """A verdict for every invariant."""
    wanted = list(statements)
    if not wanted:
        return ()
    survey = Survey(atlas, readings, exclusive)
    return tuple(survey.verdict(statement) for statement in wanted)
