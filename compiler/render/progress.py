"""Which servers are still to answer, on one line that updates itself; on a terminal only."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import Self, TextIO

import click


class Progress:
    """Begin with the names, say what is done; leave the context to take the line away."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._on = self._stream.isatty()
        self._left: dict[str, None] = {}
        self._all = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def begin(self, names: Iterable[str]) -> None:
        """Show all of them as asked."""
        self._left = dict.fromkeys(names)
        self._all = len(self._left)
        self._show()

    def done(self, name: str, lines: Iterable[str]) -> None:
        """Print what came of one server, above the line."""
        self._clear()
        for line in lines:
            click.echo(line, file=self._stream)
        self._left.pop(name, None)
        self._show()

    def text(self) -> str:
        """The line: how many have answered, and who has not."""
        return f"asking {self._all - len(self._left)}/{self._all}: {', '.join(self._left)}"

    def _show(self) -> None:
        if self._on and self._left:
            width = max(20, shutil.get_terminal_size().columns - 1)
            text = self.text()
            self._write(text if len(text) <= width else text[: width - 1] + "…")

    def _clear(self) -> None:
        if self._on:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
