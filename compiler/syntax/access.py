"""`roles:` and `grants:` as written: what may be reached, and by whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshplan.compiler.syntax.orchestration import Expression
from meshplan.compiler.syntax.selectors import NameSelector, ResourceSelector, ToolSelector
from meshplan.compiler.syntax.words import Day, EffectWord, Entry, Maybe, Name, OneOrMany, Text, Written

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
UserName = Annotated[str, Field(min_length=1, max_length=255)]


class Reach(Written):
    """Which capabilities are meant; without a kind every one of the server, without a server every server's."""

    server: Maybe[OneOrMany[Name]] = None
    tools: Maybe[ToolSelector] = None
    prompts: Maybe[NameSelector] = None
    resources: Maybe[ResourceSelector] = None
    templates: Maybe[NameSelector] = None
    effect: Maybe[OneOrMany[EffectWord]] = None
    tag: Maybe[Text] = None
    binding: Maybe[Name] = None
    operations: list[Text] = []
    workflow: Maybe[Name] = None


class RuleEntry(Reach):
    """One allow or deny; `endpoint` narrows it to virtual MCPs, `when` to calls, `models` to a binding's models."""

    id: Maybe[RuleId] = None
    endpoint: Maybe[OneOrMany[Name]] = None
    models: list[Text] = []
    when: Maybe[Expression] = None


class Role(Entry):
    """Rules that are granted together; `extends` takes over all rules of other roles."""

    description: Maybe[Text] = None
    extends: list[Name] = []
    allow: list[RuleEntry] = []
    deny: list[RuleEntry] = []


class SubjectRef(Written):
    """Who is meant; several keys in one entry are a conjunction. `anyone: authenticated` means every known caller."""

    user: Maybe[UserName] = None
    team: Maybe[Name] = None
    agent: Maybe[Name] = None
    application: Maybe[Name] = None
    anyone: Maybe[Literal["authenticated"]] = None


class GrantEntry(Written):
    """A role for every principal that matches one entry of `to`."""

    role: Name
    to: Annotated[list[SubjectRef], Field(min_length=1)]
    expires: Maybe[Day] = None
    delegated: Literal["intersection", "union"] = "intersection"
