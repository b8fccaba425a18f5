"""Definitions as a hostile server might send them: hostile/*.json, with what is huge written as a short order.

`{"$repeat": [text, times]}` is a long text, `{"$nest": [template, times]}` a template put into its own `*`, and a member
`"$many": [times, value]` that many members.
"""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "hostile"


def expanded(value):
    if isinstance(value, list):
        return [expanded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$repeat" in value:
        text, times = value["$repeat"]
        return text * times
    if "$nest" in value:
        return nested(*value["$nest"])
    if "$many" in value:
        times, each = value["$many"]
        return {f"p{n}": dict(each) for n in range(times)}
    return {name: expanded(part) for name, part in value.items()}


def nested(template, times):
    """Built inside out: a value this deep can be made, and neither parsed nor written."""
    inner = {}
    for _ in range(times):
        outer = json.loads(template.replace("*", "null"))
        put(outer, inner)
        inner = outer
    return inner


def put(outer, inner):
    for name, part in outer.items():
        if part is None:
            outer[name] = inner
        elif isinstance(part, dict):
            put(part, inner)


CORPUS = {path.stem: expanded(json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))}
REFUSED = ("too-deep",)
"""Files whose definitions are not recorded at all."""
