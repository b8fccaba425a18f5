"""How one definition of a server is recorded: the text that is reviewed, and the digest that stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshplan.schemas import jsontext


def definition_text(definition: Mapping[str, Any]) -> str:
    """The canonical text; raises ``ValueError`` or ``RecursionError`` for what cannot be recorded."""
    return jsontext.canonical(definition)


def definition_digest(definition: Mapping[str, Any]) -> str:
    """The version of a capability; empty for a definition that cannot be recorded, which therefore equals none."""
    try:
        return jsontext.digest(definition_text(definition))
    except (ValueError, RecursionError):
        return ""
