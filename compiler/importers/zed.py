"""Zed's settings.json: `context_servers`, in the flat form of today and the nested one of 2025."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, quoted
from meshplan.compiler.importers.mcpservers import entry
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain
from meshplan.compiler.importers.references import Dialect


def _flat(value: dict[str, Plain]) -> dict[str, Plain]:
    """Return an entry with the old `command: {path, args, env}` written flat, and without what needs no note."""
    command = value.get("command")
    inner = dict(command) if isinstance(command, dict) else {}
    flat = {key: item for key, item in value.items() if key not in ("source", "remote")}
    if inner:
        flat["command"] = inner.pop("path", None)
        flat.update(inner)
    if flat.get("settings") == {}:
        del flat["settings"]
    return flat


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    root = Fields(data, "", None, log)
    drafts: list[Draft] = []
    for name, value in root.mapping("context_servers").items():
        where = f"context_servers.{name}"
        if not isinstance(value, dict):
            log.add("warning", None, where, f"{quoted(name)} was left out: a mapping is expected there")
        elif not {"command", "url"} & set(value):
            text = f"{quoted(name)} was left out: an extension of Zed provides it, so the file has no command"
            log.add("warning", None, where, text, "write the command that the extension runs")
        else:
            draft = entry(name, Fields(_flat(value), where, name, log), Dialect(), log, milliseconds=False)
            if draft is not None:
                draft.kind = draft.kind or "http"
                drafts.append(draft)
    root.unrelated()
    return build(drafts, log)


ZED: Final = Format("zed", "Zed", "jsonc", ("zed/settings.json",), lambda data: "context_servers" in data, _read)
