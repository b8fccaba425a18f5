"""What is known of one invariant: that it holds, or who breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from meshplan.compiler.assure.cells import Spot
from meshplan.compiler.assure.judge import Reached
from meshplan.compiler.assure.statement import Statement


class Counterexample(NamedTuple):
    """Who reaches what, one spot for each part of the invariant."""

    spots: tuple[Spot, ...]
    reached: Reached


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one invariant.

    ``unproved``: there were too many combinations to try, which is never taken for holding. ``annotated`` and
    ``assumed`` count the capabilities whose effect decided and comes from the server, or from nobody.
    """

    statement: Statement
    found: tuple[Counterexample, ...]
    unproved: bool
    meant: int
    """Capabilities in the way: what its selectors mean and an endpoint offers."""
    annotated: int
    assumed: int

    @property
    def holds(self) -> bool:
        """Whether it is proved."""
        return not self.found and not self.unproved
