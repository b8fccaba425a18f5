"""What pydantic found, said in our words, at the right place, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from pydantic import BaseModel, ValidationError

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics
from meshplan.compiler.marks import POISON, MapNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean
from meshplan.compiler.syntax.advice import SHAPES, as_name, example
from meshplan.compiler.syntax.keys import first_line, has_keys, missing_key, no_choice, no_transport, unknown_key
from meshplan.compiler.syntax.mistake import Mistake, shown
from meshplan.compiler.syntax.shape import alternatives, keys_of, walk

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
_ABSENT = frozenset({*_WANTS, "mesh_form", "mesh_value", "literal_error"})
_BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def explain(root: MapNode, model: type[BaseModel], error: ValidationError) -> Diagnostics:
    """One diagnostic for each mistake; what only follows from an already reported value is left out."""
    said = (explained(mistake) for mistake in mistakes(root, model, error))
    found = [diagnostic for diagnostic in said if diagnostic is not None]
    more = error.error_count() - MOST
    if more > 0:
        span = first_line(root.here.value_span())
        found.append(report("too-many", span, f"there are {more} more mistakes", help="resolve the others first"))
    return tuple(found)


MOST = 1_000
"""So many mistakes of shape are explained in one run; a file with more is not what anybody wrote by hand."""


def mistakes(root: MapNode, model: type[BaseModel], error: ValidationError) -> Iterator[Mistake]:
    """What pydantic refused, without what has been reported before."""
    for detail in islice(error.errors(include_url=False), MOST):
        if detail["input"] is not POISON:
            location = tuple(detail["loc"])
            path, expected = walk(model, location)
            context = detail.get("ctx", {})
            yield Mistake(
                root, model, path, location, expected, detail["type"], detail["input"], detail["msg"], context
            )


def explained(mistake: Mistake) -> Diagnostic | None:
    """One mistake in our words; ``None`` where another one says it."""
    if mistake.value is None and mistake.kind in _ABSENT and isinstance(mistake.path[-1], str):
        key = locate(mistake.root, mistake.path).key_span()
        advice = example(mistake.expected, None) or "give it one, or remove the key"
        return report("no-value", key, f"`{mistake.path[-1]}` has no value", help=advice)
    if mistake.kind == "reported":
        return None
    teller = _TELLERS.get(mistake.kind)
    if teller is not None:
        return teller(mistake)
    if mistake.kind in _WANTS:
        return _wrong_type(mistake)
    if mistake.kind in _BOUNDS:
        words, key = _BOUNDS[mistake.kind]
        bound = mistake.context.get(key)
        return report("bad-value", mistake.span, f"{mistake.subject} wants {words} `{bound}`, not `{mistake.value}`")
    plain = mistake.message.removeprefix("Input should be ").removeprefix("Value error, ")
    message = plain.replace("\n", " ").replace("'", "`")
    return report("bad-value", mistake.span, f"{mistake.subject} is not allowed here: {message}")


def _wrong_type(mistake: Mistake) -> Diagnostic:
    wants = f"{mistake.subject} wants {_WANTS[mistake.kind]}, not {shown(mistake.value)}"
    return report("wrong-type", mistake.span, wants, help=_type_advice(mistake))


def _type_advice(mistake: Mistake) -> str | None:
    value = mistake.value
    if mistake.kind == "string_type" and isinstance(value, int | float):
        return "put it in quotes"
    if mistake.kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "write it without quotes"
    if mistake.kind == "list_type" and isinstance(value, str):
        words = value.split() if mistake.path[-1] in ("stdio", "exec") else [value]
        return f"write it as a list: `[{', '.join(words)[:80]}]`"
    if mistake.kind == "list_type":
        return "put it in a list: begin with `- `, or put `[` and `]` around it"
    advice = example(mistake.expected, value)
    if advice is None and has_keys(mistake.expected):
        return "its keys are " + ", ".join(f"`{key}`" for key in keys_of(mistake.expected)[:8])
    if advice is None and isinstance(value, list) and mistake.kind == "dict_type":
        return "each name is a key of its own: write `NAME: …` without `- `"
    return advice


def _form(mistake: Mistake) -> Diagnostic | None:
    """None of several ways to write something."""
    message, _, advice = mistake.message.partition(" -- ")
    if isinstance(mistake.value, str) and mistake.value in alternatives(mistake.expected):
        advice = f"write `{{{mistake.value}: …}}`"
    elif isinstance(mistake.value, str) and mistake.value.isidentifier():
        advice = advice.replace("NAME", mistake.value)
    said = f"{mistake.subject} {message}, not {shown(mistake.value)}"
    return no_choice(mistake) or report("wrong-type", mistake.span, said, help=advice or None)


def _transport(mistake: Mistake) -> Diagnostic | None:
    return no_choice(mistake) or no_transport(mistake)


def _secret(mistake: Mistake) -> Diagnostic | None:
    """The value is never shown: it may be the secret itself."""
    message, _, advice = mistake.message.partition(" -- ")
    return no_choice(mistake) or report("secret-literal", mistake.span, message, help=advice)


def _value(mistake: Mistake) -> Diagnostic | None:
    message = str(mistake.context.get("message", ""))
    advice = str(mistake.context.get("help", "")) or None
    if mistake.is_key and (name := as_name(str(mistake.path[-2]))):
        advice = f"write `{name}`: {advice}" if advice else f"write `{name}`"
    subject = f"{mistake.subject} " if message.startswith("wants ") else ""
    return report("bad-value", mistake.span, subject + message, help=advice)


def _choice(mistake: Mistake) -> Diagnostic | None:
    expected = str(mistake.context.get("expected", ""))
    choices = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    value = mistake.value
    quoted = [f"`{choice}`" for choice in choices]
    wants = " or ".join([*([", ".join(quoted[:-1])] if quoted[:-1] else []), quoted[-1]])
    meant = did_you_mean(value, choices) if isinstance(value, str) else None
    given = f"`{value[:60]}`" if isinstance(value, str) else shown(value)
    return report("bad-value", mistake.span, f"{mistake.subject} wants {wants}, not {given}", help=meant)


def _too_short(mistake: Mistake) -> Diagnostic | None:
    least = mistake.context.get("min_length", 1)
    if least == 1:
        advice = (
            "give it a value, or remove the key" if mistake.kind == "string_too_short" and not mistake.is_key else None
        )
        return report("bad-value", mistake.span, f"{mistake.subject} is empty", help=advice)
    return report("bad-value", mistake.span, f"{mistake.subject} wants at least {least} items")


def _pattern(mistake: Mistake) -> Diagnostic | None:
    pattern = str(mistake.context.get("pattern", ""))
    what, advice = SHAPES.get(pattern, ("in the form that is taken here", f"it matches `{pattern}`"))
    text = str(mistake.path[-2] if mistake.is_key else mistake.value)
    return report("bad-value", mistake.span, f"`{text[:80]}` is not {what}", help=advice)


_Teller = Callable[[Mistake], Diagnostic | None]
_TELLERS: dict[str, _Teller] = {
    "extra_forbidden": unknown_key,
    "missing": missing_key,
    "no_transport": _transport,
    "mesh_form": _form,
    "secret_literal": _secret,
    "mesh_value": _value,
    "literal_error": _choice,
    "too_short": _too_short,
    "string_too_short": _too_short,
    "string_pattern_mismatch": _pattern,
}
