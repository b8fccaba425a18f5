"""The whole of mesh.yaml as written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshplan.compiler.syntax.access import GrantEntry, Role
from meshplan.compiler.syntax.identity import Identity
from meshplan.compiler.syntax.servers import Server
from meshplan.compiler.syntax.settings import Runtime
from meshplan.compiler.syntax.virtual import Virtual
from meshplan.compiler.syntax.words import Name, Text, Written


class Mesh(Written):
    """One mesh: its servers, what is offered of them, and to whom."""

    mesh: Literal["v1"]
    name: Name
    description: Text | None = None
    servers: Annotated[dict[Name, Server], Field(min_length=1)]
    virtual: dict[Name, Virtual] = {}
    identity: Identity = Identity()
    roles: dict[Name, Role] = {}
    grants: list[GrantEntry] = []
    runtime: Runtime = Runtime()
