"""Principals, capabilities and causes of an access diff in words."""

from __future__ import annotations

import json
from typing import cast

from meshplan.compiler.diff.model import AccessChange, Cause, Who
from meshplan.compiler.expressions import Ir, show
from meshplan.compiler.render.diff.phrase import PROSE, Phrase, Word, at, foreign, listed, marked, phrase, quoted
from meshplan.schemas.capability import CapabilityKey

CONDITIONS = ("if:", "unless:", "before:")
EVERYBODY = "every known caller"
_SOME = {"user:*": "some user", "agent:*": "some agent"}
_AGENTS = ("agent:", "application:")
MAX_UNLESS = 4


def who_phrase(who: Who) -> Phrase:
    """`team:eng`, or `some user through agent:ci with team:eng` for a user who acts through an agent."""
    subjects = subjects_of(who.atoms)
    if not who.delegated:
        return _together(subjects) or phrase(EVERYBODY)
    users = [s for s in subjects if s.startswith("user:")] or ["user:*"]
    agents = [s for s in subjects if s.startswith(_AGENTS)] or ["agent:*"]
    others = [s for s in subjects if s not in {*users, *agents}]
    through = phrase(_together(users), " through ", _together(agents))
    return phrase(through, " with ", listed([_subject(s) for s in others])) if others else through


def circumstances(who: Who) -> Phrase:
    """Under which conditions, until when, and what takes it away again; begins with a comma or is empty."""
    found = [phrase(", ", _condition(atom)) for atom in who.atoms if atom.startswith(CONDITIONS)]
    if who.unless:
        first = ", unless also " if subjects_of(who.unless[0]) else ", unless "
        ways = [_exception(atoms) for atoms in who.unless[:MAX_UNLESS]]
        left = len(who.unless) - len(ways)
        rest = f", or one of {left} more cases" if left else ""
        found.append(phrase(first, listed(ways, ", or "), rest))
    return phrase(*found)


def subjects_of(atoms: tuple[str, ...]) -> list[str]:
    """The atoms that name subjects."""
    return [atom for atom in atoms if not atom.startswith(CONDITIONS)]


def capability_phrase(capability: str, server: str | None = None) -> Phrase:
    """`github.delete_repo`, or `prompt github.review`; a warning where a name is not what it looks like."""
    key = capability_key(capability)
    if key is None:
        named = f"{server}.{capability}" if server else capability
        return phrase(quoted(named), foreign(named))
    what = "" if key.kind == "tool" else f"{key.kind} "
    return phrase(what, quoted(f"{key.server}.{key.name}"), foreign(f"{key.server}{key.name}"))


def capability_key(capability: str) -> CapabilityKey | None:
    """The key that an id stands for, where it is one."""
    try:
        return CapabilityKey.of(capability)
    except ValueError:
        return None


def advertised(change: AccessChange) -> Phrase:
    """` as open_issue`, where clients know a capability under another name."""
    key = capability_key(change.capability)
    if key is not None and key.name == change.name:
        return ()
    return phrase(" as ", quoted(change.name), foreign(change.name))


def cause_phrase(causes: tuple[Cause, ...]) -> Phrase:
    """One set of causes: all of it is needed."""
    return listed([phrase(f"{cause.kind}: ", marked(cause.text), at(cause.place)) for cause in causes])


def condition_text(text: str) -> str:
    """A condition's IR, as JSON, in the expression language; the text itself where it is none."""
    try:
        return show(cast("Ir", json.loads(text)))
    except (ValueError, TypeError, LookupError, RecursionError):
        return text


def _subject(subject: str) -> Phrase:
    return phrase(_SOME[subject]) if subject in _SOME else phrase(quoted(subject), foreign(subject))


def _together(subjects: list[str]) -> Phrase:
    """One principal that holds all of them: the verb that follows stays singular."""
    first = [_subject(subject) for subject in subjects[:1]]
    others = [_subject(subject) for subject in subjects[1:]]
    return phrase(*first, " with ", listed(others)) if others else phrase(*first)


def _condition(atom: str) -> Phrase:
    """An `unless:` atom is the condition of a deny that somebody meets, which an error does, too."""
    kind, _, text = atom.partition(":")
    if kind == "before":
        return phrase("until ", quoted(text))
    shown: Word = quoted(condition_text(text), PROSE)
    return phrase("if ", shown) if kind == "if" else phrase("if ", shown, " or an error in it")


def _exception(atoms: tuple[str, ...]) -> Phrase:
    subjects = subjects_of(atoms)
    conditions = [
        phrase("until ", quoted(text)) if kind == "before" else phrase(quoted(condition_text(text), PROSE))
        for kind, _, text in (atom.partition(":") for atom in atoms if atom.startswith(CONDITIONS))
    ]
    if subjects and conditions:
        return phrase(_together(subjects), " while ", listed(conditions))
    return _together(subjects) or listed(conditions)
