"""The ways in which configuration files take a value from elsewhere, parsed into text and references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from meshplan.compiler.importers.model import Part, Ref, Template, words
from meshplan.compiler.secrets import value_is_secret

FOLDER: Final = "workspaceFolder"
FOLDER_TAKEN: Final = "names the client's folder, which was taken to be the folder of mesh.yaml"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_BRACES: Final = r"\$\{(?P<braces>(?:[^{}]|\$\{[^{}]*\})*)\}"
_DOLLAR: Final = r"\$(?P<dollar>[A-Za-z_][A-Za-z0-9_]*)"
_MUSTACHE: Final = r"\{\{\s*(?P<mustache>[^{}]*?)\s*\}\}"
_STORES: Final = ("env", "var", "vault", "secret")
_FOLDERS: Final = frozenset(("workspaceFolder", "workspaceRoot", "cwd", "fileWorkspaceFolder", "CLAUDE_PROJECT_DIR"))
_KNOWN: Final = {"pathSeparator": "/", "/": "/"}
_HOMES: Final = frozenset(("userHome",))
_DEFAULTED: Final = re.compile(r"(?s)([^:\-=?]+?)(?::-|:=|-|=)(.*)")


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which references a format has, beyond `${NAME}` and `${env:NAME}`, which any of them may hold."""

    dollar: bool = False
    mustache: Mapping[str, Ref] | None = None
    os_environ: bool = False
    inputs: Mapping[str, Ref] = field(default_factory=dict[str, Ref])

    def parse(self, text: str) -> Template:
        """Split a text into what is literal and what is a reference."""
        if self.os_environ and text.startswith("os.environ/"):
            return (_environment(text.removeprefix("os.environ/")),)
        forms = [_BRACES, *([_DOLLAR] if self.dollar else []), *([_MUSTACHE] if self.mustache is not None else [])]
        parts: list[Part] = []
        at = 0
        for match in re.finditer("|".join(forms), text):
            parts.extend(words(text[at : match.start()]))
            parts.extend(self._part(match.groupdict()))
            at = match.end()
        return (*parts, *words(text[at:]))

    def _part(self, found: Mapping[str, str | None]) -> Template:
        if (dollar := found.get("dollar")) is not None:
            return (_environment(dollar),)
        if (mustache := found.get("mustache")) is not None:
            known = self.mustache or {}
            return (known.get(mustache, Ref(_variable(mustache) if "|" not in mustache else "", asked=True)),)
        return self._braces(found.get("braces") or "")

    def _braces(self, inner: str) -> Template:
        if inner in _FOLDERS or inner.startswith(f"{FOLDER}:"):
            return (Ref(FOLDER, "."),)
        if inner in _KNOWN:
            return (_KNOWN[inner],)
        if inner in _HOMES:
            return (Ref("HOME"),)
        kind, colon, rest = inner.partition(":")
        if kind == "input" and colon:
            return (self.inputs.get(rest, Ref(_variable(rest), secret=True, asked=True)),)
        if kind in _STORES and colon and not rest.startswith("-"):
            return (_environment(rest),)
        return (_environment(inner),)


def named(name: str) -> Ref:
    """Return the reference to a variable that holds a secret; what is no name, or is a secret itself, is not named."""
    return Ref(name if NAME.fullmatch(name) and not value_is_secret(name) else "", secret=True)


def _environment(inner: str) -> Ref:
    if value_is_secret(inner.partition(":")[0]):
        return Ref("", secret=True)
    if NAME.fullmatch(inner):
        return Ref(inner)
    defaulted = _DEFAULTED.fullmatch(inner)
    if defaulted is None:
        return Ref("")
    name, default = defaulted[1], defaulted[2]
    if not NAME.fullmatch(name):
        return Ref("")
    return Ref(name, None if "${" in default else default)


def _variable(text: str) -> str:
    if value_is_secret(text):
        return "HIDDEN"
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()
    return name if NAME.fullmatch(name) else f"INPUT_{name}".rstrip("_")


def holds_folder(template: Template) -> bool:
    """Tell whether a template names the folder that is open in the client."""
    return any(isinstance(part, Ref) and part.name == FOLDER for part in template)


def variable(*parts: str) -> str:
    """Return an environment variable's name made of some words: `github`, `api-key` give GITHUB_API_KEY."""
    return _variable("_".join(parts))


def derived(server: str, key: str) -> str:
    """Return the variable for one secret of a server: the key's own name where that already says whose it is."""
    own = _variable(key)
    mine = _variable(server)
    marks = [word for word in mine.split("_") if len(word) > 2 and word not in ("MCP", "SERVER", "API", "REMOTE")]
    if own.startswith(mine) or any(mark in own for mark in marks):
        return own
    return f"{mine}_{own}"
