"""A `*.mesh-test.yaml` as it is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from meshplan.compiler.syntax.words import Day, FreeJson, Maybe, Name, OneOrMany, Text, Written

Verdict = Literal["allow", "deny", "not_offered", "no_allow", "denied_by_rule", "invalid_arguments"]


class Reason(Written):
    """A verdict with the rule that must be its reason."""

    allow: Maybe[Text] = None
    """Allowed, and this rule, `ROLE#RULE`, is among the reasons."""
    deny: Maybe[Text] = None
    """Refused by this rule."""


def _outcome(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    return "reason" if isinstance(value, dict | Reason) else None


Outcome = Annotated[
    Annotated[Verdict, Tag("word")] | Annotated[Reason, Tag("reason")],
    Discriminator(
        _outcome,
        custom_error_type="mesh_form",
        custom_error_message="wants a verdict -- write `allow`, `deny` or `{deny: ROLE#RULE}`",
    ),
]


def _row(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    if isinstance(value, Reason):
        return "reason"
    if not isinstance(value, dict):
        return None
    return "reason" if value.keys() & {"allow", "deny"} else "each"


_ROW = Discriminator(
    _row,
    custom_error_type="mesh_form",
    custom_error_message="wants a verdict or one for each -- write `allow`, `deny`, or `{NAME: allow}`",
)
Row = Annotated[
    Annotated[Verdict, Tag("word")] | Annotated[Reason, Tag("reason")] | Annotated[dict[str, Outcome], Tag("each")],
    _ROW,
]
"""One outcome for every call, or one for each."""
Expectation = Annotated[
    Annotated[Verdict, Tag("word")] | Annotated[Reason, Tag("reason")] | Annotated[dict[str, Row], Tag("each")],
    _ROW,
]
"""One outcome for every pair of a caller and a call, or a row for each caller."""


class Read(Written):
    """A resource that is not locked."""

    server: Name
    """The server that it is of."""
    uri: Text
    """Its URI upstream."""


Who = Annotated[str, Field(max_length=1000)]
"""Subjects such as `team:desk agent:ci`, the name of a key, `local`, or a name of `principals`."""


class Test(Written):
    """Calls that are expected to be allowed or refused, or lists that are expected to hold exactly some names."""

    name: Text
    """What the test shows."""
    endpoint: Name
    """The virtual MCP that is asked."""
    as_: Annotated[OneOrMany[Who], Field(alias="as")]
    """Who asks: one caller, or several."""
    call: Maybe[OneOrMany[Text]] = None
    """What each of them calls, by the advertised name, `server.name` or id of the capability."""
    arguments: Maybe[dict[str, FreeJson]] = None
    """The arguments of the calls, as the caller sends them; without any, whether some would be allowed."""
    read: Maybe[Read] = None
    """A live resource that each of them reads."""
    expect: Maybe[Expectation] = None
    """What comes of it: one outcome for all, or a row for each caller, with an outcome for each call."""
    tools: Maybe[list[Text]] = None
    """Exactly the tools that each of them is shown, in any order."""
    prompts: Maybe[list[Text]] = None
    """Exactly the prompts that each of them is shown."""
    resources: Maybe[list[Text]] = None
    """Exactly the locked resources that each of them is shown."""
    templates: Maybe[list[Text]] = None
    """Exactly the resource templates that each of them is shown."""


class TestFile(Written):
    """Tests of one mesh, in the environments that are named; without any, of the mesh as it is without one."""

    format: Annotated[Literal["v1"], Field(alias="mesh-test")]
    """Version of the format."""
    now: Maybe[Day] = None
    """The day as of which expiries are judged."""
    environments: Annotated[list[Name], Field(default_factory=list[Name])]
    """The environments in which the tests are run."""
    principals: Annotated[dict[Name, Who], Field(default_factory=dict[str, str])]
    """Callers by name; an empty text is a stranger."""
    tests: Annotated[list[Test], Field(min_length=1)]
    """The tests."""
