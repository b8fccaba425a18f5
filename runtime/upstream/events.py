"""Server-sent events (WHATWG HTML 9.2.6) cut out of a byte stream as it arrives; only the data matters to MCP."""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLargeError(Exception):
    """An event larger than the reader takes."""


class EventReader:
    """Give it chunks, get the data of each whole event that has any; ``limit`` bounds one event in bytes.

    An event without data only gives its id (SEP-1699).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._scanned = 0
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes; raises ``EventTooLargeError``."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if chunk:
            self._after_return = chunk.endswith(b"\r")
        self._rest += chunk
        found: list[bytes] = []
        begin = 0
        for end in _LINE_END.finditer(self._rest, self._scanned):
            self._line(bytes(self._rest[begin : end.start()]), found)
            begin = end.end()
        del self._rest[:begin]
        self._scanned = len(self._rest)
        if self._size + len(self._rest) > self._limit:
            raise EventTooLargeError
        return found

    def _line(self, line: bytes, found: list[bytes]) -> None:
        if not line:
            data = b"\n".join(self._data)
            if data:
                found.append(data)
            self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            data = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(data)
            self._size += len(data)
            if self._size > self._limit:
                raise EventTooLargeError
