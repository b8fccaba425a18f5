"""Several imports as one: a name that is taken stays with whoever had it first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import Import, ImportedServer, Log, Plain
from meshplan.compiler.importers.names import Names


def combine(imports: Sequence[Import], existing: Sequence[ImportedServer] = ()) -> Import:
    """Return the servers and notes of several files, to stand beside the servers that exist.

    Later servers are renamed where names clash, and a variable that servers of two files read gets a note, since
    it may have stood for two different secrets. A server that exists already, entry for entry, is not taken again.
    """
    names, log = Names(server.name for server in existing), Log()
    servers: list[ImportedServer] = []
    readers = {variable: (-1, server.name) for server in existing for variable in _variables(dict(server.entry))}
    for index, found in enumerate(imports):
        renamed: dict[str | None, str | None] = {}
        for server in found.servers:
            twin = next((other.name for other in existing if dict(other.entry) == dict(server.entry)), None)
            if twin is not None:
                text = f"{quoted(server.name)} was not added: `{twin}` is the same server with the same settings"
                log.add("info", twin, server.name, text)
                renamed[server.name] = twin
                continue
            name = renamed[server.name] = names.claim(server.name, server.name, log)
            servers.append(ImportedServer(name, server.entry))
            for variable in _variables(dict(server.entry)):
                first, other = readers.setdefault(variable, (index, name))
                if first != index:
                    text = f"`{variable}` is read by `{other}` of another file too, which may mean another value"
                    log.add("question", name, name, text, "rename one where the values differ")
        log.notes.extend(replace(note, server=renamed.get(note.server, note.server)) for note in found.notes)
    return log.done(servers)


def _variables(value: Plain) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"env"} and isinstance(value["env"], str):
            yield value["env"]
            return
        for item in value.values():
            yield from _variables(item)
    elif isinstance(value, list):
        for item in value:
            yield from _variables(item)
