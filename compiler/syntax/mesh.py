"""The whole of mesh.yaml as written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshplan.compiler.syntax.access import GrantEntry, Role
from meshplan.compiler.syntax.guardrails import Acknowledgement, Invariant, Policies
from meshplan.compiler.syntax.identity import Identity
from meshplan.compiler.syntax.money import Budget, Moved, Price
from meshplan.compiler.syntax.orchestration import Binding, ContractEntry, ContractName, ToolRef, Workflow
from meshplan.compiler.syntax.parts import Environment, Parameter
from meshplan.compiler.syntax.servers import Server
from meshplan.compiler.syntax.settings import Runtime
from meshplan.compiler.syntax.virtual import Virtual
from meshplan.compiler.syntax.words import Glob, Maybe, Name, Text, Written


class Mesh(Written):
    """One mesh: its servers, what is offered of them, to whom, and within which bounds."""

    mesh: Literal["v1"]
    name: Name
    description: Maybe[Text] = None
    include: list[Glob] = []
    parameters: dict[Name, Parameter] = {}
    servers: Annotated[dict[Name, Server], Field(min_length=1)]
    contracts: dict[ContractName, ContractEntry] = {}
    bindings: dict[Name, Binding] = {}
    workflows: dict[Name, Workflow] = {}
    virtual: dict[Name, Virtual] = {}
    identity: Identity = Identity.model_construct()
    roles: dict[Name, Role] = {}
    grants: list[GrantEntry] = []
    prices: dict[ToolRef, Price] = {}
    budgets: dict[Name, Budget] = {}
    moved: list[Moved] = []
    policies: Policies = Policies.model_construct()
    invariants: list[Invariant] = []
    acknowledge: list[Acknowledgement] = []
    environments: dict[Name, Environment] = {}
    runtime: Runtime = Runtime.model_construct()
