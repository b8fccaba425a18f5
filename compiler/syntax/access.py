"""`roles:` and `grants:` as written: what may be reached, and by whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshplan.compiler.syntax.orchestration import Expression
from meshplan.compiler.syntax.selectors import NameSelector, ResourceSelector, ToolSelector
from meshplan.compiler.syntax.words import Day, EffectWord, Name, Text, Written

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
UserName = Annotated[str, Field(min_length=1, max_length=255)]


class Reach(Written):
    """Which capabilities are meant; without a kind every one of the server, without a server every server's."""

    server: Name | list[Name] | None = None
    tools: ToolSelector | None = None
    prompts: NameSelector | None = None
    resources: ResourceSelector | None = None
    templates: NameSelector | None = None
    effect: EffectWord | list[EffectWord] | None = None
    tag: Text | None = None
    binding: Name | None = None
    operations: list[Text] = []
    workflow: Name | None = None


class RuleEntry(Reach):
    """One allow or deny; `endpoint` narrows it to virtual MCPs, `when` to calls, `models` to a binding's models."""

    id: RuleId | None = None
    endpoint: Name | list[Name] | None = None
    models: list[Text] = []
    when: Expression | None = None


class Role(Written):
    """Rules that are granted together; `extends` takes over all rules of other roles."""

    description: Text | None = None
    extends: list[Name] = []
    allow: list[RuleEntry] = []
    deny: list[RuleEntry] = []


class SubjectRef(Written):
    """Who is meant; several keys in one entry are a conjunction. `anyone: authenticated` means every known caller."""

    user: UserName | None = None
    team: Name | None = None
    agent: Name | None = None
    application: Name | None = None
    anyone: Literal["authenticated"] | None = None


class GrantEntry(Written):
    """A role for every principal that matches one entry of `to`."""

    role: Name
    to: Annotated[list[SubjectRef], Field(min_length=1)]
    expires: Day | None = None
    delegated: Literal["intersection", "union"] = "intersection"
