"""What pydantic found, said in our words, at the right place, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Fix, Path
from meshplan.compiler.marks import POISON, MapNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import closest, did_you_mean
from meshplan.compiler.syntax.servers import TRANSPORTS
from meshplan.compiler.syntax.shape import keys_of, walk

_WANTS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def explain(root: MapNode, model: type[BaseModel], error: ValidationError) -> Diagnostics:
    """One diagnostic for each mistake; what only follows from an already reported value is left out."""
    found: list[Diagnostic] = []
    for detail in error.errors(include_url=False):
        if detail["input"] is POISON:
            continue
        path, expected = walk(model, tuple(detail["loc"]))
        diagnostic = _explained(root, model, detail, path, expected)
        if diagnostic is not None:
            found.append(diagnostic)
    return tuple(found)


def _explained(
    root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path, expected: Any
) -> Diagnostic | None:
    teller = _TELLERS.get(detail["type"])
    if teller is not None:
        return teller(root, model, detail, path)
    at = locate(root, path)
    if detail["type"] in _WANTS:
        advice = None
        if isinstance(expected, type) and issubclass(expected, BaseModel) and keys_of(expected):
            advice = "its keys are " + ", ".join(f"`{key}`" for key in keys_of(expected)[:8])
        return report(
            "wrong-type",
            at.value_span(),
            f"{_subject(path)} wants {_WANTS[detail['type']]}, not {_kind(detail['input'])}",
            help=advice,
        )
    if path and path[-1] == "[key]":
        at = locate(root, path[:-1])
    return report("bad-value", at.value_span(), f"{_subject(path)} is not allowed here: {_plain(detail['msg'])}")


def _subject(path: Path) -> str:
    names = [part for part in path if isinstance(part, str) and part != "[key]"]
    if not names:
        return "the file"
    return f"an item of `{names[-1]}`" if isinstance(path[-1], int) else f"`{names[-1]}`"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if isinstance(value, str):
        return f"the text `{value[:40]}`"
    return "a list" if isinstance(value, list) else "a mapping"


def _plain(message: str) -> str:
    return message.removeprefix("Input should be ").removeprefix("Value error, ").replace("\n", " ").replace("'", "`")


def _unknown_key(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    name = str(path[-1])
    span = locate(root, path).key_span()
    keys = _sibling_keys(detail, path)
    taken = _container(root, path[:-1])
    meant = closest(name, [key for key in keys if key not in taken])
    advice = f"did you mean `{meant}`?" if meant else _known(keys)
    return report(
        "unknown-key",
        span,
        f"unknown key `{name}`" + (f" in `{path[-2]}`" if len(path) > 1 and isinstance(path[-2], str) else ""),
        help=advice,
        fix=Fix(span, meant) if meant else None,
    )


def _sibling_keys(detail: ErrorDetails, path: Path) -> tuple[str, ...]:
    from meshplan.compiler.syntax.mesh import Mesh

    location = tuple(detail["loc"])[:-1]
    _, expected = walk(Mesh, location)
    del path
    return keys_of(expected)


def _known(keys: tuple[str, ...]) -> str | None:
    return "known keys: " + ", ".join(f"`{key}`" for key in keys) if keys else None


def _container(root: MapNode, path: Path) -> dict[str, Any]:
    node: Any = root
    for part in path:
        node = cast("dict[Any, Any]", node)[part]
    return cast("dict[str, Any]", node) if isinstance(node, dict) else {}


def _missing(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    """A missing key; silent where a misspelt sibling already says it."""
    del model
    name = str(path[-1])
    container = _container(root, path[:-1])
    keys = _sibling_keys(detail, path)
    if any(key not in keys and closest(key, [k for k in keys if k not in container]) == name for key in container):
        return None
    at = locate(root, path[:-1])
    where = f" in `{path[-2]}`" if len(path) > 1 and isinstance(path[-2], str) else ""
    span = at.key_span() if len(path) > 1 and isinstance(path[-2], str) else at.value_span()
    return report("missing-key", _first_line(span), f"the key `{name}` is missing{where}")


def _first_line(span: Any) -> Any:
    if span.line == span.end_line:
        return span
    return type(span)(span.file, span.line, span.column, span.line, span.column + 1, span.start, span.start + 1)


def _no_transport(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    entry = detail["input"]
    at = locate(root, path)
    if not isinstance(entry, MapNode):
        return report("wrong-type", at.value_span(), f"`{path[-1]}` wants a mapping, not {_kind(entry)}")
    for key in entry:
        meant = closest(key, TRANSPORTS)
        if meant:
            span = entry.at[key].key_span()
            advice = f"did you mean `{meant}`?"
            return report(
                "unknown-key", span, f"unknown key `{key}` in `{path[-1]}`", help=advice, fix=Fix(span, meant)
            )
    return report(
        "missing-key",
        at.key_span(),
        f"the server `{path[-1]}` has no transport",
        help="give exactly one of `http: URL` and `stdio: [COMMAND, …]`",
    )


def _form(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    message, _, advice = detail["msg"].partition(" -- ")
    return report(
        "wrong-type",
        locate(root, path).value_span(),
        f"{_subject(path)} {message}, not {_kind(detail['input'])}",
        help=advice or None,
    )


def _secret(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    """The value is never shown: it may be the secret itself."""
    del model
    message, _, advice = detail["msg"].partition(" -- ")
    return report("secret-literal", locate(root, path).value_span(), message, help=advice)


def _value(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    context = detail.get("ctx", {})
    at = locate(root, path[:-1] if path and path[-1] == "[key]" else path)
    span = at.key_span() if path and path[-1] == "[key]" else at.value_span()
    return report("bad-value", span, str(context.get("message", "")), help=str(context.get("help", "")) or None)


def _choice(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    expected = str(detail.get("ctx", {}).get("expected", ""))
    choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    value = detail["input"]
    wants = " or ".join(f"`{choice}`" for choice in choices)
    meant = did_you_mean(value, choices) if isinstance(value, str) else None
    shown = f"`{value[:60]}`" if isinstance(value, str) else _kind(value)
    return report(
        "bad-value", locate(root, path).value_span(), f"{_subject(path)} wants {wants}, not {shown}", help=meant
    )


def _too_short(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model, detail
    return report("bad-value", locate(root, path).value_span(), f"{_subject(path)} is empty")


def _pattern(root: MapNode, model: type[BaseModel], detail: ErrorDetails, path: Path) -> Diagnostic | None:
    del model
    key = bool(path) and path[-1] == "[key]"
    at = locate(root, path[:-1] if key else path)
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    return report(
        "bad-value",
        at.key_span() if key else at.value_span(),
        f"{_subject(path)} has characters that do not belong there",
        help=f"it matches `{pattern}`",
    )


_Teller = Callable[[MapNode, type[BaseModel], ErrorDetails, Path], Diagnostic | None]
_TELLERS: dict[str, _Teller] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "no_transport": _no_transport,
    "mesh_form": _form,
    "secret_literal": _secret,
    "mesh_value": _value,
    "literal_error": _choice,
    "too_short": _too_short,
    "string_too_short": _too_short,
    "string_pattern_mismatch": _pattern,
}
