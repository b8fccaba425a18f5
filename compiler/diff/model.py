"""What a diff says: values for renderers, with no wording of layout and no computation of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from meshplan.schemas.capability import Effect, Kind

CauseKind = Literal[
    "policy edit",
    "grant",
    "upstream added",
    "upstream removed",
    "rename",
    "collision",
    "effect flip",
    "include change",
    "binding edit",
    "workflow edit",
    "environment patch",
]
Verb = Literal["added", "removed", "changed", "redirected"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; ``line`` and ``column`` from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Cause:
    """One edit that (with the others of its set) brought a change about."""

    kind: CauseKind
    text: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Who:
    """The smallest principals that are meant: everybody who has all of ``atoms``, unless also one of ``unless``.

    An atom is a subject (`team:eng`, `user:*`), `if:CONDITION` or `unless:CONDITION` (a condition's IR as JSON), or
    `before:DATE`. No atoms at all means everybody who is known. ``delegated``: only users acting through an agent.
    """

    atoms: tuple[str, ...]
    unless: tuple[tuple[str, ...], ...]
    delegated: bool


@dataclass(frozen=True, slots=True)
class AccessChange:
    """One capability at one endpoint that somebody gained or lost."""

    endpoint: str
    capability: str
    kind: Kind
    name: str
    """The advertised name, after the change where it is still offered."""
    effect: Effect
    gained: tuple[Who, ...]
    lost: tuple[Who, ...]
    causes: tuple[tuple[Cause, ...], ...]
    """Minimal sets of edits, smallest first: made to the base alone, one gives (or takes) somebody this access.

    To undo one edit out of each is to give everybody back what they had here; ``more_causes``: there are more sets.
    """
    breaking: bool
    widening: bool
    fingerprint: str
    acknowledged: str | None = None
    """The reason, where the change is acknowledged."""
    via: str = ""
    """Empty where it is called itself, the id of the workflow whose step it is, or `live` for resources by pattern."""
    more_causes: bool = False
    """Whether there are minimal sets that ``causes`` leaves out, for there are too many."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One leaf of a changed thing; ``None`` where it was or is absent."""

    path: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that was added, removed, changed, or now reaches something else.

    ``subject`` is a logical name: `server:github`, `endpoint:eng`, `budget:month`, `name:eng/tool/open_issue`, …
    """

    subject: str
    verb: Verb
    summary: str
    details: tuple[Detail, ...]
    place: Place | None
    breaking: bool
    widening: bool
    fingerprint: str
    acknowledged: str | None = None
    patched: bool = False
    """Whether it stands in an environment's patch."""


@dataclass(frozen=True, slots=True)
class LockChange:
    """What changed about one definition, or about a server's identity.

    ``classes`` name what changed, from mildest to most severe: `description`, `output compatible`, `input compatible`,
    `output unknown`, `output incompatible`, `input unknown`, `input incompatible`, `annotations`,
    `effect READ → WRITE`, `new`, `gone`, `identity`, `package`; `unknown` is what could not be decided.
    ``renamed_from`` is another capability of the server that this one resembles, with a score from 0 to 1; a rename
    carries no grant.
    """

    server: str
    capability: str | None
    classes: tuple[str, ...]
    details: tuple[Detail, ...]
    breaking: bool
    widening: bool
    renamed_from: str | None = None
    score: float | None = None
    fingerprint: str = ""
    place: Place | None = None
    """The entry in the lock file, before the change where it is gone."""
    acknowledged: str | None = None


@dataclass(frozen=True, slots=True)
class TokenCost:
    """What a list of an endpoint's tools costs a client, before and after; ``role`` ``None`` is the whole surface."""

    endpoint: str
    role: str | None
    before: int | None
    after: int | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Gate:
    """What one invariant or policy of the side before says of the side after; ``open``: it is passed by nobody's leave.

    ``holds``: judged as it was before, with what was known then, nothing breaks it.
    """

    name: str
    holds: bool
    text: str
    open: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """One side of a diff: how it was named, and the digest of its plan (``None``: it has none, all is new)."""

    label: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs between two plans, the most dangerous first in each part."""

    before: Ref
    after: Ref
    environments: tuple[str, ...]
    """The environments for which exactly this holds; empty for a mesh without any."""
    access: tuple[AccessChange, ...]
    changes: tuple[Change, ...]
    lock: tuple[LockChange, ...]
    tokens: tuple[TokenCost, ...]
    stale_acknowledgements: tuple[str, ...] = field(default=())
    """Acknowledged fingerprints that no change has any more."""
    gates: tuple[Gate, ...] = field(default=())
    """Every invariant and policy of the side before."""

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.access or self.changes or self.lock or any(t.before != t.after for t in self.tokens))
