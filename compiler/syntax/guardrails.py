"""`policies:`, `invariants:` and `acknowledge:` as written: what may never be, and what was agreed to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from meshplan.compiler.syntax.access import Reach, SubjectRef
from meshplan.compiler.syntax.orchestration import Expression
from meshplan.compiler.syntax.words import Day, Glob, Maybe, Name, OneOrMany, Text, Written


class PolicyException(Written):
    """What one policy lets pass until a date: things by logical name or glob, such as `server:legacy`."""

    policy: Name
    at: Glob
    reason: Text
    until: Day


class Policies(Written):
    """Policy packs by name, files with the user's own, levels other than their own, and exceptions."""

    use: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$")]] = []
    files: list[Glob] = []
    levels: dict[Name, Literal["advisory", "mandatory", "skip"]] = {}
    except_: Annotated[list[PolicyException], Field(alias="except")] = []


def _who(value: Any) -> str | None:
    if value == "anyone":
        return "word"
    return "subject" if isinstance(value, dict | SubjectRef) else None


Who = Annotated[
    Annotated[Literal["anyone"], Tag("word")] | Annotated[SubjectRef, Tag("subject")],
    Discriminator(
        _who,
        custom_error_type="mesh_form",
        custom_error_message="wants `anyone` or a subject -- write `anyone` or `{team: NAME}`",
    ),
]


class Never(Written):
    """`who` may never reach `reach`, nor all of `reach_all` together within one endpoint or the whole mesh.

    Calls for which one of the conditions in `unless` holds are excused.
    """

    who: Who
    reach: Maybe[Reach] = None
    reach_all: list[Reach] = []
    within: Literal["endpoint", "mesh"] = "mesh"
    unless: Maybe[OneOrMany[Expression]] = None


class Invariant(Written):
    """A statement that must hold for every principal and capability."""

    name: Name
    description: Maybe[Text] = None
    never: Never


class Acknowledgement(Written):
    """One change, by its fingerprint, that was agreed to until a date."""

    change: Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")]
    reason: Text
    until: Day
