"""What the sandbox's process says, read without looking into the values that it carries."""

from __future__ import annotations

from typing import Final

import msgspec

from meshplan.schemas import jsontext

MAX_BRACKETS: Final = 20_000
"""Lists and objects in the arguments of one call: each of them takes its time on the event loop, which all callers share."""


class Ready(msgspec.Struct, tag="ready", tag_field="say"):
    """It takes programs; ``confined`` is what it gave up, ``worker`` the process of the interpreter."""

    confined: tuple[str, ...]
    worker: int | None


class Failed(msgspec.Struct, tag="failed", tag_field="say"):
    """It cannot start."""

    reason: str


class Asked(msgspec.Struct, tag="call", tag_field="say"):
    """The program calls a function; ``sent`` is the JSON of its arguments, by place and by name."""

    call: int
    name: str
    sent: msgspec.Raw

    def arguments(self) -> tuple[list[object], dict[str, object]]:
        """By place, and by name; raises ``ValueError``."""
        text = bytes(self.sent)
        brackets = text.count(b"[") + text.count(b"{")
        if brackets > MAX_BRACKETS:
            raise ValueError(f"its arguments have more than {MAX_BRACKETS} brackets")
        if brackets > jsontext.MAX_DEPTH:
            jsontext.refuse_depth(text.decode())
        return _arguments.decode(text)


class Problem(msgspec.Struct):
    """Why a program did not end well: a kind, words, and the line of the program."""

    kind: str
    message: str
    line: int | None


class End(msgspec.Struct, tag="end", tag_field="say"):
    """The program is over; ``value`` is JSON."""

    value: msgspec.Raw
    error: Problem | None
    logs: str


Said = Ready | Failed | Asked | End
_arguments = msgspec.json.Decoder(tuple[list[object], dict[str, object]])
read = msgspec.json.Decoder[Said](Said).decode
"""One message; raises ``ValueError`` for what no such process says."""
