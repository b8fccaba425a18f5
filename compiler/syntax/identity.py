"""`identity:` as written: the subjects there are, and who may assert them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from meshplan.compiler.syntax.words import Day, Name, Text, Written


class Subject(Written):
    """A team, agent or application that keys may assert."""

    description: Text | None = None


class Assertion(Written):
    """The subjects that a credential proves."""

    user: Name | None = None
    teams: list[Name] = []
    agent: Name | None = None
    application: Name | None = None


class KeyEntry(Assertion):
    """An API key: the SHA-256 of its text in hex, what it proves, and when it ends."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    expires: Day | None = None


class Identity(Written):
    """Who may call. `local` is what the loopback profile of `mesh up` and `mesh stdio` proves."""

    users: dict[Name, Subject] = {}
    teams: dict[Name, Subject] = {}
    agents: dict[Name, Subject] = {}
    applications: dict[Name, Subject] = {}
    keys: dict[Name, KeyEntry] = {}
    local: Assertion | None = None
