"""Typed access to one entry of a foreign configuration that remembers which of its keys were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from meshplan.compiler.importers.model import Level, Log, Plain
from meshplan.compiler.secrets import value_is_secret

Reasons: TypeAlias = Mapping[str, tuple[Level, str]]

_UNKNOWN: Final[tuple[Level, str]] = ("warning", "has no counterpart in mesh.yaml that the importer knows")
_LONGEST_QUOTE: Final = 60
_TRUE: Final = frozenset(("true", "yes", "on", "1"))


def quoted(text: str) -> str:
    """Return a name from the file in backticks, on one line, shortened, and hidden where it looks like a secret."""
    if value_is_secret(text):
        return "`(hidden)`"
    shown = "".join(char if char.isprintable() and char != "`" else "?" for char in text)
    return f"`{shown[: _LONGEST_QUOTE - 1]}…`" if len(shown) > _LONGEST_QUOTE else f"`{shown}`"


def scalar(value: Plain) -> str | None:
    """Return a scalar as the text that a configuration would hand on, or None for null, lists and mappings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


class Fields:
    """The keys of one mapping: each is taken once, and what is left at the end becomes notes."""

    def __init__(self, entry: Mapping[str, Plain], where: str, server: str | None, log: Log) -> None:
        self._entry = entry
        self._left = dict.fromkeys(entry)
        self._log = log
        self.where = where
        self.server = server

    def __contains__(self, key: str) -> bool:
        return key in self._entry

    def take(self, key: str) -> Plain:
        """Return the value as it is and count the key as used."""
        self._left.pop(key, None)
        return self._entry.get(key)

    def text(self, key: str) -> str:
        """Return a scalar as text; the empty text where it is missing or of another type, the latter with a note."""
        value = self.take(key)
        found = scalar(value)
        if found is None and value is not None:
            self._wrong(key, "a single value")
        return found or ""

    def texts(self, key: str) -> list[str]:
        """Return a list of scalars as texts; one scalar counts as a list of one."""
        value = self.take(key)
        if value is None:
            return []
        listed = value if isinstance(value, list) else [value]
        found = [scalar(item) for item in listed]
        if None in found:
            self._wrong(key, "a list of single values")
        return [item for item in found if item is not None]

    def table(self, key: str) -> dict[str, str]:
        """Return a mapping of names to scalars; a null counts as the empty text."""
        found: dict[str, str] = {}
        for name, item in self.mapping(key).items():
            text = "" if item is None else scalar(item)
            if text is None:
                self._wrong(f"{key}.{name}", "a single value")
            else:
                found[name] = text
        return found

    def mapping(self, key: str) -> Mapping[str, Plain]:
        """Return a nested mapping, empty where it is missing or of another type."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            self._wrong(key, "a mapping")
        return value if isinstance(value, dict) else {}

    def entries(self, key: str) -> list[tuple[str, Mapping[str, Plain]]]:
        """Return the mappings of a list with their key paths."""
        value = self.take(key)
        if value is not None and not isinstance(value, list):
            self._wrong(key, "a list")
        found: list[tuple[str, Mapping[str, Plain]]] = []
        for index, item in enumerate(value if isinstance(value, list) else []):
            if isinstance(item, dict):
                found.append((f"{self.path(key)}[{index}]", item))
            else:
                self._wrong(f"{key}[{index}]", "a mapping")
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a switch."""
        text = self.text(key)
        return text.lower() in _TRUE if text else default

    def duration(self, key: str, *, milliseconds: bool = False) -> str:
        """Return a number of seconds (or of milliseconds) in mesh.yaml's form, such as `30s`."""
        text = self.text(key)
        if not text:
            return ""
        try:
            amount = round(float(text) * (1 if milliseconds else 1000))
        except (ValueError, OverflowError):
            amount = 0
        if amount <= 0:
            self._wrong(key, "a number above zero")
            return ""
        return f"{amount // 1000}s" if amount % 1000 == 0 else f"{amount}ms"

    def path(self, key: str) -> str:
        """Return the key path of one key."""
        return f"{self.where}.{key}" if self.where else key

    def leftover(self, reasons: Reasons) -> None:
        """Note every key that nobody took, with the reason where the format knows one."""
        groups: dict[tuple[Level, str], list[str]] = {}
        for key in self._left:
            if self._entry[key] is not None:
                groups.setdefault(reasons.get(key, _UNKNOWN), []).append(key)
        for (level, why), keys in groups.items():
            if len(keys) == 1:
                text = f"{quoted(keys[0])} was left out: it {why}"
                self._log.add(level, self.server, self.path(keys[0]), text)
            else:
                text = f"{', '.join(map(quoted, keys))} were left out: each {why}"
                self._log.add(level, self.server, self.where, text)

    def unrelated(self) -> None:
        """Sum up what is left in one note: settings of the file that are not about MCP servers."""
        if self._left:
            names = ", ".join(quoted(key) for key in list(self._left)[:12])
            more = f" and {len(self._left) - 12} more" if len(self._left) > 12 else ""
            text = f"settings outside of the servers were left out: {names}{more}"
            self._log.add("info", self.server, self.where, text)

    def _wrong(self, key: str, wanted: str) -> None:
        text = f"{quoted(key)} was left out: {wanted} is expected there"
        self._log.add("warning", self.server, self.path(key), text)
