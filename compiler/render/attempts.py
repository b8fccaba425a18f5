"""One entry of the ledger as one line of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def line(row: Mapping[str, Any]) -> str:
    """Time, who, where, what, how it was decided and how it ended; control characters are shown as `?`."""
    who = ", ".join(str(row[name]) for name in ("user", "teams", "agent", "application") if row[name] is not None)
    parts = [
        str(row["at"]),
        str(row["outcome"] or row["kind"]),
        str(row["capability"] or row["method"] or "-"),
        f"at {row['endpoint']}" if row["endpoint"] else "",
        f"by {row['principal']}" + (f" ({who})" if who else "") if row["principal"] else "",
        f"because {row['reason']}" if row["reason"] else "",
        f"rule {row['rule']}" if row["rule"] else "",
        _durations(row),
        f"[{row['decision']}]" if row["decision"] else "",
    ]
    text = "  ".join(part for part in parts if part)
    return "".join(char if char.isprintable() else "?" for char in text)


def _durations(row: Mapping[str, Any]) -> str:
    if row["total_us"] is None:
        return ""
    upstream = "" if row["upstream_us"] is None else f" (upstream {row['upstream_us'] / 1000:.1f})"
    return f"{row['total_us'] / 1000:.1f} ms{upstream}"
