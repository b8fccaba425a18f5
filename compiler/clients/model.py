"""The result of asking for a client's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text to paste; `path_hint` says where, by `project`, `macos`, `linux` and `windows`."""

    text: str
    language: Literal["json", "toml"]
    path_hint: Mapping[str, str]
