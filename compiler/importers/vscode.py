"""VS Code's `mcp.json`: `servers`, and `inputs` that the editor asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, scalar
from meshplan.compiler.importers.mcpservers import section
from meshplan.compiler.importers.model import Format, Import, Log, Plain, Ref
from meshplan.compiler.importers.references import Dialect, variable


def _inputs(root: Fields, log: Log) -> dict[str, Ref]:
    """Return what each input becomes: a variable, or the default of one that is no password."""
    found: dict[str, Ref] = {}
    for where, item in root.entries("inputs"):
        fields = Fields(item, where, None, log)
        id, kind = fields.text("id"), fields.text("type")
        secret = fields.flag("password", default=False)
        default = scalar(fields.take("default"))
        if kind == "command" or secret:
            default = None
        if id:
            found[id] = Ref(variable(id), default, secret=secret, asked=True)
        for key in ("description", "options", "command", "args"):
            fields.take(key)
        fields.leftover({})
    return found


def _nested(data: Mapping[str, Plain]) -> Mapping[str, Plain] | None:
    """Return the `mcp` section of a settings.json, which is where older files have it."""
    inner = data.get("mcp")
    return inner if isinstance(inner, dict) and isinstance(inner.get("servers"), dict) else None


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    inner = _nested(data)
    if inner is not None:
        outer = Fields(data, "", None, log)
        outer.take("mcp")
        outer.unrelated()
    root = Fields(inner if inner is not None else data, "mcp" if inner is not None else "", None, log)
    dialect = Dialect(inputs=_inputs(root, log))
    drafts = section(root, "servers", dialect, log)
    root.unrelated()
    return build(drafts, log)


def _claims(data: Mapping[str, Plain]) -> bool:
    return isinstance(data.get("servers"), dict) or _nested(data) is not None


VSCODE: Final = Format("vscode", "Visual Studio Code", "jsonc", (".vscode/mcp.json",), _claims, _read)
