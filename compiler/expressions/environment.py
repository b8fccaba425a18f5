"""What the variables of a condition hold, where that is not a tool's own schema."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.expressions.types import NULL, STRING, ListType, MapType, Scalar, record, union


def principal_type(teams: Iterable[str], agents: Iterable[str], applications: Iterable[str]) -> MapType:
    """Return the type of `principal`, given the subjects that the mesh declares.

    `issuer` and `sub` are strings, `user` a string or null, and `teams`, `agents` and `applications` lists of the names
    that the credential proves.
    """
    named = {"teams": teams, "agents": agents, "applications": applications}
    lists = {kind: ListType(Scalar("string", frozenset(names))) for kind, names in named.items()}
    return record(issuer=STRING, sub=STRING, user=union([STRING, NULL]), **lists)
