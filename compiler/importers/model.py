"""What an import yields: servers in the shape of mesh.yaml, notes for a person, or one problem with a position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from meshplan.compiler.secrets import value_is_secret

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"
Level: TypeAlias = Literal["info", "warning", "question"]


@dataclass(frozen=True, slots=True)
class ImportedServer:
    """One server: a name that mesh.yaml accepts, and its entry under `servers:`."""

    name: str
    entry: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person should know: `where` is a key path of the file that was read."""

    level: Level
    server: str | None
    where: str
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """What one file, or several combined, described."""

    servers: tuple[ImportedServer, ...] = ()
    notes: tuple[Note, ...] = ()


class ImportProblem(Exception):
    """A file that cannot be read at all; lines and columns count from one, and the text never quotes the file."""

    def __init__(self, line: int, column: int, message: str, help: str = "") -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.line = line
        self.column = column
        self.message = message
        self.help = help


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that the file takes from elsewhere; an empty `name` is a reference that no environment variable is."""

    name: str
    default: str | None = None
    secret: bool = False
    asked: bool = False


Part: TypeAlias = "str | Ref"
Template: TypeAlias = tuple[Part, ...]


def words(text: str) -> Template:
    """Return the template of a literal text."""
    return (text,) if text else ()


def literal(template: Template) -> str | None:
    """Return the text of a template without references, or None."""
    if any(isinstance(part, Ref) for part in template):
        return None
    return "".join(part for part in template if isinstance(part, str))


def settled(template: Template) -> str | None:
    """Return the text of a template once every reference takes its default, or None where one has none."""
    parts = [part if isinstance(part, str) else part.default for part in template]
    return None if None in parts else "".join(part for part in parts if part is not None)


@dataclass(slots=True)
class Draft:
    """One server as its file has it, references parsed and secrets still inside: never leaves this package."""

    original: str
    where: str
    argv: list[Template] = field(default_factory=list[Template])
    url: Template = ()
    kind: Literal["", "stdio", "http", "sse", "openapi"] = ""
    env: dict[str, Template] = field(default_factory=dict[str, Template])
    headers: dict[str, Template] = field(default_factory=dict[str, Template])
    bearer: Template = ()
    bearer_file: str = ""
    cwd: Template = ()
    timeout: str = ""
    openapi: Template = ()


@dataclass(slots=True)
class Log:
    """The notes of one reading, in the order in which they arose."""

    notes: list[Note] = field(default_factory=list[Note])

    def add(self, level: Level, server: str | None, where: str, message: str, help: str = "") -> None:
        """Append one note; a place whose name looks like a secret is not named."""
        self.notes.append(Note(level, server, "(hidden)" if value_is_secret(where) else where, message, help))

    def rename(self, original: str, name: str, where: str) -> None:
        """Let the notes about one entry speak of the name that its server got."""
        for index, note in enumerate(self.notes):
            inside = note.where == where or note.where.startswith((f"{where}.", f"{where}["))
            if inside and note.server == original:
                self.notes[index] = replace(note, server=name)

    def done(self, servers: Iterable[ImportedServer]) -> Import:
        """Return the finished import."""
        return Import(tuple(servers), tuple(self.notes))


@dataclass(frozen=True, slots=True)
class Format:
    """One foreign format: how its files are called, what is in them, and the function that reads one."""

    id: str
    title: str
    syntax: Literal["jsonc", "toml", "yaml"]
    files: tuple[str, ...]
    claims: Callable[[Mapping[str, Plain]], bool]
    read: Callable[[Mapping[str, Plain], Log], Import]
