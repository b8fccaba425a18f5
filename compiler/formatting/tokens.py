"""The visible tokens of a YAML text, each with the structure that it opens or closes; comments are between them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, NamedTuple

import yaml
from yaml import tokens as t

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Kind(Enum):
    """What a token is; ``MAP``, ``SEQ`` and ``END`` open and close block collections and are not visible."""

    MAP = auto()
    SEQ = auto()
    END = auto()
    KEY = auto()
    VALUE = auto()
    ENTRY = auto()
    OPEN = auto()
    CLOSE = auto()
    COMMA = auto()
    SCALAR = auto()
    BLOCK = auto()
    MARKER = auto()


class Token(NamedTuple):
    """One token; ``column`` is where it starts. A ``KEY`` of no width announces a key without `?`."""

    kind: Kind
    start: int
    end: int
    column: int

    @property
    def visible(self) -> bool:
        """Whether it has any text."""
        return self.end > self.start


_KINDS: dict[type, Kind] = {
    t.BlockMappingStartToken: Kind.MAP,
    t.BlockSequenceStartToken: Kind.SEQ,
    t.BlockEndToken: Kind.END,
    t.KeyToken: Kind.KEY,
    t.ValueToken: Kind.VALUE,
    t.BlockEntryToken: Kind.ENTRY,
    t.FlowMappingStartToken: Kind.OPEN,
    t.FlowSequenceStartToken: Kind.OPEN,
    t.FlowMappingEndToken: Kind.CLOSE,
    t.FlowSequenceEndToken: Kind.CLOSE,
    t.FlowEntryToken: Kind.COMMA,
    t.ScalarToken: Kind.SCALAR,
    t.DocumentStartToken: Kind.MARKER,
    t.DocumentEndToken: Kind.MARKER,
    t.DirectiveToken: Kind.MARKER,
}


def tokens(text: str) -> Iterator[Token]:
    """The tokens of well-formed text."""
    loader: Any = _LOADER(text)
    try:
        while (token := loader.get_token()) is not None:
            kind = _KINDS.get(token.__class__)
            if kind is Kind.SCALAR and token.style in ("|", ">"):
                kind = Kind.BLOCK
            if kind is not None:
                yield Token(kind, token.start_mark.index, token.end_mark.index, token.start_mark.column)
    finally:
        loader.dispose()
