"""Keys that are not part of the language, keys that are missing, and keys that exclude each other: each said once."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from meshplan.compiler.diagnostics import Diagnostic, Fix, Label, Span
from meshplan.compiler.marks import MapNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import certain, closest
from meshplan.compiler.syntax.advice import INSTEAD, WRITE_AS
from meshplan.compiler.syntax.mistake import Mistake
from meshplan.compiler.syntax.servers import TRANSPORTS
from meshplan.compiler.syntax.shape import alternatives, held_by, inner_keys, keys_of, walk


def unknown_key(mistake: Mistake) -> Diagnostic | None:
    """A key that the language does not have here."""
    name = str(mistake.path[-1])
    _, model = walk(mistake.model, mistake.location[:-1])
    _, choice = walk(mistake.model, mistake.location[:-2]) if len(mistake.location) > 1 else (None, None)
    excluded = _excluded(mistake, name, model, choice)
    return excluded or _misspelt(mistake.root, mistake, name, model)


def _misspelt(root: MapNode, mistake: Mistake, name: str, model: Any) -> Diagnostic:
    at = locate(root, mistake.path)
    span, keys, given = at.key_span(), keys_of(model), mistake.holder
    meant = _meant(name, [key for key in keys if key not in given])
    taken = None if meant else _meant(name, [key for key in keys if key in given])
    if taken and locate(root, (*mistake.path[:-1], taken)).file != at.file:
        meant, taken = taken, None
    if meant:
        advice = WRITE_AS.get(name) or f"did you mean `{meant}`?"
    elif taken:
        advice = f"`{taken}` is given already"
    else:
        advice = _belongs(name, model) or ("known keys: " + ", ".join(f"`{key}`" for key in keys) if keys else None)
    fix = Fix(span, meant) if meant and name not in INSTEAD and certain(name, meant, keys) else None
    return report("unknown-key", span, f"unknown key `{name}`{mistake.within}", help=advice, fix=fix)


def _meant(name: str, keys: list[str]) -> str | None:
    ours = INSTEAD.get(name)
    return ours if ours in keys else closest(name, keys)


def _belongs(name: str, model: Any) -> str | None:
    """A key that another kind of server has, or that stands one level too high."""
    if model in TRANSPORTS.values():
        owners = [word for word, other in TRANSPORTS.items() if name in keys_of(other)]
        return f"only servers with {' or '.join(f'`{word}`' for word in owners)} have it" if owners else None
    inner = [key for key, keys in inner_keys(model).items() if name in keys]
    return f"it belongs in `{inner[0]}`" if len(inner) == 1 else None


def _excluded(mistake: Mistake, name: str, model: Any, choice: Any) -> Diagnostic | None:
    """A key of another choice than the one that is taken."""
    others = alternatives(choice)
    mine = next((key for key in keys_of(model) if key in others), None)
    if name not in others or mine is None:
        return None
    at = locate(mistake.root, (*mistake.path[:-1], mine))
    return report(
        "conflicting-keys",
        locate(mistake.root, mistake.path).key_span(),
        f"`{mine}` and `{name}` exclude each other{mistake.within}",
        help="keep one of the two",
        labels=(Label(at.key_span(), "the other one"),),
    )


def missing_key(mistake: Mistake) -> Diagnostic | None:
    """A missing key; silent where a misspelt sibling, or one that belongs inside it, already says it."""
    name = str(mistake.path[-1])
    _, model = walk(mistake.model, mistake.location[:-1])
    keys, given = keys_of(model), mistake.holder
    if isinstance(given, MapNode) and given.hurt:
        return None
    free = [key for key in keys if key not in given]
    inner = keys_of(held_by(model, name))
    if any(key not in keys and (_meant(key, free) == name or key in inner) for key in given):
        return None
    if keys == (name,) and given:
        return None
    at = locate(mistake.root, mistake.path[:-1])
    span = at.key_span() if mistake.within else at.value_span()
    return report("missing-key", first_line(span), f"the key `{name}` is missing{mistake.within}")


def no_choice(mistake: Mistake) -> Diagnostic | None:
    """A mapping in which none of several keys stands, one of which is misspelt or foreign; else ``None``."""
    others = alternatives(mistake.expected)
    if not isinstance(mistake.value, MapNode):
        return None
    for key in mistake.value:
        head, colon, _ = key.partition(":")
        meant = _meant(key, list(others)) or (head if colon and head in others else None)
        if meant:
            span = mistake.value.at[key].key_span()
            advice = "put a space after the colon" if colon else WRITE_AS.get(key) or f"did you mean `{meant}`?"
            fix = Fix(span, meant) if key not in INSTEAD and not colon and certain(key, meant, others) else None
            name = mistake.path[-1] if mistake.path else None
            where = f" in `{name}`" if isinstance(name, str) else ""
            return report("unknown-key", span, f"unknown key `{key}`{where}", help=advice, fix=fix)
    return None


def no_transport(mistake: Mistake) -> Diagnostic | None:
    """A server that says nothing of how it is reached."""
    name, span = mistake.path[-1], locate(mistake.root, mistake.path).key_span()
    advice = "give exactly one of `http: URL` and `stdio: [COMMAND, …]`"
    if isinstance(mistake.value, str) and "://" in mistake.value:
        advice = f"write `{{http: {mistake.value[:80]}}}`"
    return report("missing-key", span, f"the server `{name}` has no transport", help=advice)


def first_line(span: Span) -> Span:
    """A span of one line: what begins on it, where it goes on over several."""
    if span.line == span.end_line:
        return span
    return Span(span.file, span.line, span.column, span.line, span.column + 1, span.start, span.start + 1)


def has_keys(expected: Any) -> bool:
    """Whether a part of the language is a mapping with keys of its own."""
    return isinstance(expected, type) and issubclass(expected, BaseModel) and bool(keys_of(expected))
