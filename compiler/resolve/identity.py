"""Who may assert what: each key's and each claim's subjects, all of them declared, each issuer known."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.access import asserted, conjunction
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolved import ResolvedIdentity
from meshplan.compiler.syntax.identity import Assertion, Subject
from meshplan.schemas.rules import Claim

_SECTIONS = {"team": "teams", "agent": "agents", "application": "applications"}


def resolve_identity(context: Context) -> ResolvedIdentity:
    """Keys, the loopback profile, and claims of tokens."""
    identity = context.mesh.identity
    if identity.users.issuer is not None:
        context.known("issuer", identity.users.issuer, identity.issuers, ("identity", "users", "issuer"))
    return ResolvedIdentity(
        keys={name: asserted(context, key, ("identity", "keys", name)) for name, key in sorted(identity.keys.items())},
        local=None if identity.local is None else asserted(context, identity.local, ("identity", "local")),
        claims=_claims(context),
        exclusive=_exclusive(context),
    )


def _claims(context: Context) -> tuple[Claim, ...]:
    found: list[Claim] = []
    for kind, section in _SECTIONS.items():
        subjects: dict[str, Subject] = getattr(context.mesh.identity, section)
        for name, subject in sorted(subjects.items()):
            claim = _claim(context, f"{kind}:{name}", subject, ("identity", section, name))
            if claim is not None:
                found.append(claim)
    return tuple(found)


def _claim(context: Context, who: str, subject: Subject, path: Path) -> Claim | None:
    if subject.issuer is None:
        if (subject.claim or subject.has or subject.is_) and not context.lacks(path):
            context.say(
                "claim-incomplete", path, "a claim is only as good as who makes it: `issuer` is missing", key=True
            )
        return None
    if not context.known("issuer", subject.issuer, context.mesh.identity.issuers, (*path, "issuer")):
        return None
    if context.lacks(path):
        return None
    value = subject.has or subject.is_
    if subject.claim is None or value is None or (subject.has and subject.is_):
        context.say(
            "claim-incomplete",
            path,
            "a subject that tokens prove needs `claim` and exactly one of `has` and `is`",
            help="write `{issuer: NAME, claim: groups, has: VALUE}`",
            key=True,
        )
        return None
    return Claim(
        subject=who, issuer=subject.issuer, claim=subject.claim, test="has" if subject.has else "is", value=value
    )


def _exclusive(context: Context) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Groups of conjunctions of which nobody holds two."""
    groups: list[tuple[tuple[str, ...], ...]] = []
    for number, group in enumerate(context.mesh.identity.exclusive):
        path: Path = ("identity", "exclusive", number)
        found = [conjunction(context, reference, (*path, index)) for index, reference in enumerate(group)]
        groups.append(tuple(sorted(subjects for subjects in found if subjects)))
        for who, proved, at in _proved(context):
            together = [" and ".join(subjects) for subjects in found if subjects and set(subjects) <= set(proved)]
            if len(together) > 1:
                message = (
                    f"{who} proves {' and '.join(f'`{subjects}`' for subjects in together)}, which exclude each other"
                )
                context.say(
                    "exclusive-together", at, message, key=True, related=((path, "nobody may hold two of these"),)
                )
    return tuple(sorted(groups))


def _proved(context: Context) -> Iterator[tuple[str, tuple[str, ...], Path]]:
    """What one credential proves: a key, the local profile, and tokens with one value of one claim."""
    identity = context.mesh.identity
    assertions: list[tuple[str, Assertion, Path]] = [
        (f"the key `{name}`", key, ("identity", "keys", name)) for name, key in identity.keys.items()
    ]
    if identity.local is not None:
        assertions.append(("the local profile", identity.local, ("identity", "local")))
    for who, assertion, path in assertions:
        single = [(kind, getattr(assertion, kind)) for kind in ("user", "agent", "application")]
        subjects = [f"{kind}:{name}" for kind, name in single if name is not None]
        yield who, (*subjects, *(f"team:{team}" for team in assertion.teams)), path
    by_claim: dict[tuple[str | None, ...], list[tuple[str, Path]]] = {}
    for kind, section in _SECTIONS.items():
        subjects_of: dict[str, Subject] = getattr(identity, section)
        for name, subject in subjects_of.items():
            if subject.issuer is not None and subject.claim is not None:
                same = (subject.issuer, subject.claim, subject.has or subject.is_)
                by_claim.setdefault(same, []).append((f"{kind}:{name}", ("identity", section, name)))
    for (_, claim, value), members in by_claim.items():
        yield f"`{value}` in the claim `{claim}`", tuple(name for name, _ in members), members[-1][1]
