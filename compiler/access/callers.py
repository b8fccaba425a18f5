"""Callers as people write them: `user:ana team:eng agent:copilot`, the name of a key, or `local`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from meshplan.compiler.suggest import closest
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas.decide import Principal
from meshplan.schemas.plan import Plan

LOCAL = "local"
_WORD = re.compile(r"\S+")
_KINDS = ("user", "team", "agent", "application")


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal with the words that it was written in."""

    text: str
    principal: Principal


@dataclass(frozen=True, slots=True)
class Slip:
    """A word that means nobody: its characters in the text, the diagnostic's slug, what is wrong, and the way out."""

    start: int
    end: int
    slug: str
    message: str
    help: str | None


def subjects_declared(mesh: Mesh) -> dict[str, list[str] | None]:
    """The declared names of each kind of subject; ``None`` where an issuer names whom it likes."""
    identity = mesh.identity
    return {
        "user": None if identity.users.issuer is not None else list(identity.users.named),
        "team": list(identity.teams),
        "agent": list(identity.agents),
        "application": list(identity.applications),
    }


def read_caller(text: str, plan: Plan, declared: Mapping[str, list[str] | None], today: date) -> Caller | list[Slip]:
    """The caller that the words mean on ``today``, or what is wrong with them; no words at all are a stranger."""
    words = [(found.start(), found.end(), found.group()) for found in _WORD.finditer(text)]
    if len(words) == 1 and ":" not in words[0][2]:
        found = _credential(words[0], plan, declared, today)
        return [found] if isinstance(found, Slip) else Caller(text, found)
    slips = [slip for word in words if (slip := _slip(word, declared)) is not None]
    if slips:
        return slips
    return Caller(text, _proved([word for _, _, word in words], plan))


def _credential(
    word: tuple[int, int, str], plan: Plan, declared: Mapping[str, list[str] | None], today: date
) -> Principal | Slip:
    start, end, name = word
    identity = plan.identity
    if name == LOCAL and identity.local is not None:
        return Principal(LOCAL, LOCAL, frozenset(identity.local))
    if name == LOCAL:
        advice = "declare what the local profile proves in `identity.local`"
        return Slip(start, end, "unknown-principal", "the mesh has no local profile", advice)
    key = identity.keys.get(name)
    if key is None:
        kind = next((kind for kind, known in declared.items() if known is not None and name in known), None)
        if kind is not None:
            message = f"there is no key and no principal `{name}`"
            return Slip(start, end, "unknown-principal", message, f"did you mean `{kind}:{name}`?")
        names = [*identity.keys, *([LOCAL] if identity.local is not None else [])]
        meant = closest(name, names)
        advice = f"did you mean `{meant}`?" if meant else "write subjects such as `team:NAME agent:NAME`"
        return Slip(start, end, "unknown-principal", f"there is no key and no principal `{name}`", advice)
    if key.expires is not None and today >= date.fromisoformat(key.expires):
        advice = "give it a later date, or ask as of an earlier one"
        return Slip(start, end, "unknown-principal", f"the key `{name}` ended on {key.expires}", advice)
    return Principal("key", name, frozenset(key.subjects))


def _slip(word: tuple[int, int, str], declared: Mapping[str, list[str] | None]) -> Slip | None:
    start, end, text = word
    kind, colon, name = text.partition(":")
    if kind in ("issuer", "sub") and name:
        return None
    if not colon or not name or kind not in _KINDS:
        meant = closest(kind, _KINDS)
        advice = f"did you mean `{meant}:{name or 'NAME'}`?" if colon and meant else "write `team:NAME` or the like"
        return Slip(start, end, "unknown-principal", f"`{text}` is not a subject", advice)
    known = declared[kind]
    if known is None or name in known:
        return None
    meant = closest(name, known)
    listed = ", ".join(f"`{other}`" for other in sorted(known)[:8])
    fallback = f"known: {listed}" if known else f"the mesh declares no {kind} at all"
    advice = f"did you mean `{meant}`?" if meant else fallback
    return Slip(start + len(kind) + 1, end, f"unknown-{kind}", f"there is no {kind} `{name}`", advice)


def _proved(words: list[str], plan: Plan) -> Principal:
    """Who vouches for the subjects where nobody says: the issuer that names users, or the one of a claim."""
    said = dict(_pairs(words, ("issuer", "sub")))
    subjects = frozenset(word for word in words if not word.startswith(("issuer:", "sub:")))
    user = next((s.partition(":")[2] for s in sorted(subjects) if s.startswith("user:")), None)
    identity = plan.identity
    issuers = [identity.users.issuer] if user is not None and identity.users is not None else []
    issuers += [claim.issuer for claim in identity.claims if claim.subject in subjects]
    return Principal(
        said.get("issuer", issuers[0] if issuers else "key"), said.get("sub", user or "somebody"), subjects
    )


def _pairs(words: list[str], kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for word in words:
        kind, _, name = word.partition(":")
        if kind in kinds:
            yield kind, name
