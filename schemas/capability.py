"""What a rule, a budget and the ledger name: one tool, prompt, resource or template of one server."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Kind = Literal["tool", "prompt", "resource", "template"]
Effect = Literal["read", "write", "destructive"]
EffectSource = Literal["declared", "annotated", "assumed"]

KINDS: tuple[Kind, ...] = ("tool", "prompt", "resource", "template")
EFFECTS: tuple[Effect, ...] = ("read", "write", "destructive")
"""From the mildest to the most severe."""

IDENTIFYING_FIELD: dict[Kind, str] = {"tool": "name", "prompt": "name", "resource": "uri", "template": "uriTemplate"}
"""The field of an MCP definition that names the capability upstream."""

OPERATION_META = "meshplan/operation"
"""In ``_meta`` of a locked tool of an API: the HTTP request that it stands for. Clients do not see it."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+\Z")
_UNQUOTED = "-_.~!$&'()*+,;=:@/{}?"


class CapabilityKey(NamedTuple):
    """The key that grants follow: it survives any renaming on the endpoint."""

    server: str
    kind: Kind
    name: str

    @property
    def id(self) -> str:
        """ASCII text ``server/kind/name``, percent-encoded (RFC 3986) where the upstream name needs it."""
        return _id(self)

    @classmethod
    def of(cls, text: str) -> CapabilityKey:
        """Read an ``id`` back; raises ``ValueError`` for anything else."""
        server, kind, name = text.split("/", 2)
        if kind not in KINDS:
            raise ValueError(f"`{text}` is not a capability id")
        return cls(server, kind, unquote(name))


@lru_cache(maxsize=65_536)
def _id(key: CapabilityKey) -> str:
    """Kept, since a rule names each of the capabilities that it covers by its id."""
    plain = _PLAIN.match(key.name)
    return f"{key.server}/{key.kind}/{key.name if plain else quote(key.name, safe=_UNQUOTED)}"
