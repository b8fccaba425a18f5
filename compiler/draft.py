"""What the passes hand on: inputs first, then what each pass has made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.marks import MapNode
from meshplan.compiler.reader import Reader
from meshplan.compiler.resolved import Resolved
from meshplan.compiler.syntax.mesh import Mesh

if TYPE_CHECKING:
    from meshplan.compiler.assure.verdict import Verdict
    from meshplan.schemas.bundle import Bundle
    from meshplan.schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class Draft:
    """One compilation on its way.

    ``root`` is the document without its wrong parts, ``whole`` the document with them, ``lost`` every word of those
    parts; ``misnamed`` are servers that are locked under a name that no server has; ``today`` judges expiries and
    never reaches the plan; ``verdicts`` are the invariants'; ``sound`` says that no pass so far has found an error.
    """

    reader: Reader
    entry: str
    today: date
    environment: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    root: MapNode | None = None
    whole: MapNode | None = None
    lost: frozenset[str] = frozenset()
    mesh: Mesh | None = None
    locks: Mapping[str, ServerLock] = field(default_factory=dict[str, ServerLock])
    misnamed: frozenset[str] = frozenset()
    resolved: Resolved | None = None
    plan: Plan | None = None
    bundle: Bundle | None = None
    verdicts: tuple[Verdict, ...] = ()
    sound: bool = True


Pass = Callable[[Draft], tuple[Draft, Diagnostics]]
