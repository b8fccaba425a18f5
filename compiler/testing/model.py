"""What a test run is made of: checks with what they expect, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from meshplan.compiler.access.callers import Caller
from meshplan.compiler.diagnostics import Span
from meshplan.schemas.capability import Kind


@dataclass(frozen=True, slots=True)
class Expected:
    """``word`` is `allow`, `deny` or the code of a refusal; ``rule`` must be among the reasons where it is named."""

    word: str
    rule: str | None = None

    @property
    def text(self) -> str:
        """In words, for a report."""
        return f"{self.word} by `{self.rule}`" if self.rule else self.word


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a capability; ``arguments`` are the caller's, ``None`` where the test gives none."""

    capability: str
    name: str
    arguments: Mapping[str, Any] | None
    expected: Expected


@dataclass(frozen=True, slots=True)
class ReadLive:
    """A read of a resource that is not locked."""

    server: str
    uri: str
    expected: Expected


@dataclass(frozen=True, slots=True)
class Listing:
    """An exact list: advertised names of one kind."""

    kind: Kind
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked; ``span`` is where its expectation is written."""

    file: str
    test: str
    endpoint: str
    caller: Caller
    asked: Called | ReadLive | Listing
    span: Span

    @property
    def label(self) -> str:
        """What is asked, in words."""
        who = self.caller.text or "a stranger"
        match self.asked:
            case Called() as what:
                return f"{who} calls {what.name} at {self.endpoint}"
            case ReadLive() as what:
                return f"{who} reads {what.uri} of {what.server} at {self.endpoint}"
            case Listing():
                return f"{who} lists {self.asked.kind}s at {self.endpoint}"


@dataclass(frozen=True, slots=True)
class Suite:
    """The checks of one file in one environment, judged as of ``today``."""

    file: str
    environment: str | None
    today: date
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check; ``got`` says in words what was not expected, ``None`` where it passed."""

    check: Check
    got: str | None
