"""Which capabilities an include or a rule means: `all`, a list of globs, or a filter by effect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from meshplan.compiler.suggest import did_you_mean
from meshplan.compiler.syntax.words import EffectWord, Glob, OneOrMany, Written, bad_value
from meshplan.schemas.capability import EFFECTS, Kind

KEY_OF: dict[Kind, str] = {"tool": "tools", "prompt": "prompts", "resource": "resources", "template": "templates"}
"""Where each kind is selected."""


class ByEffect(Written):
    """Capabilities whose effect is one of these."""

    effect: OneOrMany[EffectWord]

    @property
    def effects(self) -> frozenset[str]:
        """The effects meant."""
        return frozenset([self.effect] if isinstance(self.effect, str) else self.effect)


def _form(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    if isinstance(value, list):
        return "globs"
    return "filter" if isinstance(value, dict | ByEffect) else None


def _word(*words: str) -> BeforeValidator:
    """One of the words; anything else was meant as a glob, or as an effect."""
    wants = " or ".join(f"`{word}`" for word in words)

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value in words:
            return value
        advice = f"write `{{effect: {value}}}`" if value in EFFECTS else did_you_mean(value, words)
        raise bad_value(f"wants {wants} or a list, not `{value[:80]}`", advice or f"write `[{value[:80]}]`")

    return BeforeValidator(check)


_Globs = Annotated[list[Glob], Field(min_length=1)]
ToolSelector = Annotated[
    Annotated[Literal["all"], _word("all"), Tag("word")]
    | Annotated[_Globs, Tag("globs")]
    | Annotated[ByEffect, Tag("filter")],
    Discriminator(
        _form,
        custom_error_type="mesh_form",
        custom_error_message="wants `all`, a list of names or globs, or a filter -- write `all`, `[get_*, list_*]` or `{effect: read}`",
    ),
]
NameSelector = Annotated[
    Annotated[Literal["all"], _word("all"), Tag("word")] | Annotated[_Globs, Tag("globs")],
    Discriminator(
        _form,
        custom_error_type="mesh_form",
        custom_error_message="wants `all` or a list of names or globs -- write `all` or `[name, other_*]`",
    ),
]
ResourceSelector = Annotated[
    Annotated[Literal["all", "live"], _word("all", "live"), Tag("word")] | Annotated[_Globs, Tag("globs")],
    Discriminator(
        _form,
        custom_error_type="mesh_form",
        custom_error_message="wants `all`, `live` or a list of URIs or globs -- write `all`, `live` or `['file:///docs/*']`",
    ),
]
