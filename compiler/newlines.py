r"""A file's text as the compiler counts it, without byte order mark and with `\n` only, and the way back."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable

_BOM = "\ufeff"


def normalised(text: str) -> str:
    """What spans count in: no byte order mark, every line ends in one newline."""
    return text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n")


def origin(text: str) -> Callable[[int], int]:
    """From offsets in ``normalised(text)`` to offsets in ``text``, both in code points."""
    mark = len(_BOM) if text.startswith(_BOM) else 0
    pairs = [match.start() - mark - before for before, match in enumerate(re.finditer("\r\n", text))]
    return lambda offset: mark + offset + bisect_left(pairs, offset)


def ending(text: str) -> str:
    """How the file ends its lines: as its first one does."""
    match = re.search("\r\n|\r|\n", text)
    return match.group() if match else "\n"
