"""What every key of the language means, with examples: the text that editors show beside it.

A new key gets its description here, or as a docstring right below its field; an entry is `Model.key`.
"""

from __future__ import annotations

from typing import Any

from meshplan.compiler.schema.keys import access, mesh, orchestration, servers, serving, virtual

Key = tuple[Any, ...]
"""A description, and then examples as they would be written."""

KEYS: dict[str, Key] = {
    **mesh.KEYS,
    **servers.KEYS,
    **virtual.KEYS,
    **orchestration.KEYS,
    **access.KEYS,
    **serving.KEYS,
}
