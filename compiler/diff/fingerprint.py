"""The fingerprint of one change: what it is about, what was, and what is; acknowledged by it and by nothing else."""

from __future__ import annotations

from typing import Any

from meshplan.schemas import jsontext

LENGTH = 16


def fingerprint(subject: str, before: Any, after: Any) -> str:
    """The first 16 hex digits of the SHA-256 of the change's canonical form."""
    return jsontext.digest(jsontext.canonical([subject, before, after])).removeprefix("sha256:")[:LENGTH]
