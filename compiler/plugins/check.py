"""Whether the settings of a plug-in's strategy fit what its package says of them, as it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import LockError
from meshplan.compiler.marks import locate
from meshplan.compiler.plugins.lock import read_strategy_lock
from meshplan.compiler.rules import report
from meshplan.compiler.syntax.virtual import Plugin, PluginSettings


def unfit_settings(draft: Draft) -> list[Diagnostic]:
    """Settings that the strategy's own schema refuses."""
    return [finding for finding in _findings(draft) if finding.severity == "error"]


def unlocked_strategies(draft: Draft) -> list[Diagnostic]:
    """Strategies whose settings nobody has checked: not recorded, or in another version."""
    return [finding for finding in _findings(draft) if finding.severity != "error"]


def _findings(draft: Draft) -> Iterable[Diagnostic]:
    if draft.mesh is None or draft.root is None:
        return
    for endpoint, virtual in draft.mesh.virtual.items():
        if isinstance(virtual.strategy, Plugin):
            yield from _of(draft, ("virtual", endpoint, "strategy", "plugin"), virtual.strategy.plugin)


def _of(draft: Draft, path: Path, plugin: PluginSettings) -> Iterable[Diagnostic]:
    try:
        lock = read_strategy_lock(draft.reader, plugin.name)
    except LockError as error:
        yield _unlocked(draft, (*path, "name"), f"the record of the strategy `{plugin.name}` cannot be used: {error}")
        return
    if lock is None:
        yield _unlocked(
            draft, (*path, "name"), f"the strategy `{plugin.name}` is not locked, so its settings are not checked"
        )
    elif lock.version != plugin.version:
        yield _unlocked(
            draft,
            (*path, "version"),
            f"the strategy `{plugin.name}` is locked in version {lock.version}, and {plugin.version} is wanted here",
        )
    elif lock.settings is not None:
        yield from _unfit(draft, path, plugin, lock.settings)


def _unlocked(draft: Draft, path: Path, message: str) -> Diagnostic:
    if draft.root is None:
        raise ValueError("checks run on a mesh that could be read")
    advice = "install its package beside `mesh`, run `mesh lock`, and review what it writes"
    return report("strategy-not-locked", locate(draft.root, path).value_span(), message, help=advice)


def _unfit(draft: Draft, path: Path, plugin: PluginSettings, schema: Mapping[str, Any]) -> Iterable[Diagnostic]:
    if draft.root is None:
        return
    for place, message in _refusals(schema, plugin.settings):
        span = locate(draft.root, (*path, "settings", *place)).value_span()
        what = f"the strategy `{plugin.name}` does not take these settings: {message}"
        yield report("strategy-settings", span, what)


def _refusals(schema: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Where and why a schema refuses a value; nothing is fetched for it."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, ValidationError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    registry: Registry[Any] = Registry()
    try:
        Draft202012Validator.check_schema(dict(schema))
        validator: Any = Draft202012Validator(dict(schema), registry=registry)
        found: list[ValidationError] = list(validator.iter_errors(settings))
    except SchemaError as error:
        return [((), f"its own schema is none: {_said(error.message)}")]
    except Unresolvable as error:
        return [((), f"its own schema refers to `{error.ref}`, which is not in it")]
    refused: list[tuple[Path, str]] = [(tuple(error.absolute_path), _said(error.message)) for error in found]
    return sorted(refused, key=lambda one: ([str(part) for part in one[0]], one[1]))


def _said(message: str) -> str:
    return message[:1].lower() + message[1:]
