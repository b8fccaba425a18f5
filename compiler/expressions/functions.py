"""Which functions, macros and operators the language has, and the CEL names that it knowingly leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MACROS: Final = ("all", "exists", "exists_one", "filter", "map")

INFIX: Final = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 3,
    "<=": 3,
    ">": 3,
    ">=": 3,
    "in": 3,
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
}
"""Infix operators with how tightly they bind; all associate to the left."""

RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "namespace",
        "package",
        "return",
        "var",
        "void",
        "while",
    ]
)
"""Identifiers that CEL keeps for itself: no variable has them, a field may."""


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called: on a receiver, with the receiver as an argument, or both ways; and an example."""

    arguments: int
    example: str
    member: bool = False
    free: bool = False


FUNCTIONS: Final = {
    "size": Function(1, "size(args.items)", member=True, free=True),
    "startsWith": Function(2, "args.path.startsWith('/tmp')", member=True),
    "endsWith": Function(2, "args.path.endsWith('.md')", member=True),
    "contains": Function(2, "args.title.contains('draft')", member=True),
    "lowerAscii": Function(1, "args.name.lowerAscii()", member=True),
    "upperAscii": Function(1, "args.name.upperAscii()", member=True),
    "int": Function(1, "int(args.count)", free=True),
    "double": Function(1, "double(args.price)", free=True),
    "string": Function(1, "string(args.number)", free=True),
}
"""`arguments` counts the receiver."""

_TEXT_HELP: Final = "the functions on strings are size, startsWith, endsWith, contains, lowerAscii and upperAscii"
_TIME_HELP: Final = "there are no timestamps; a grant's `expires` limits a rule in time"
LEFT_OUT: Final[dict[str, str]] = {
    "matches": "use startsWith, endsWith or contains: a regular expression has no bound on its cost",
    "bool": "compare with 'true' instead",
    "bytes": "bytes are left out",
    "uint": "use int",
    "dyn": "leave it out: values of different types may be compared",
    "type": "types are known when the mesh is compiled",
    "existsOne": "write exists_one",
    "not": "write `!` before what is denied",
    "len": "use size",
    "length": "use size",
    "count": "use size",
    "lower": "use lowerAscii",
    "toLowerCase": "use lowerAscii",
    "upper": "use upperAscii",
    "toUpperCase": "use upperAscii",
    "regex": "use startsWith, endsWith or contains: a regular expression has no bound on its cost",
    "transformList": "use map",
    "transformMap": "use map",
    "transformMapEntry": "use map",
    "optMap": "use has(…) ? … : …",
    "optFlatMap": "use has(…) ? … : …",
    "orValue": "use has(…) ? … : …",
    **dict.fromkeys(["timestamp", "duration", "getFullYear", "getHours", "getDayOfWeek", "getMonth"], _TIME_HELP),
    **dict.fromkeys(["split", "join", "replace", "substring", "trim", "indexOf", "lastIndexOf"], _TEXT_HELP),
    **dict.fromkeys(["charAt", "format", "reverse", "quote"], _TEXT_HELP),
}
"""CEL functions that are not here, with what to do instead."""
