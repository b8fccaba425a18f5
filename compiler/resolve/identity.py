"""Who may assert what: each key's and each claim's subjects, all of them declared, each issuer known."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.resolve.access import asserted, conjunction
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolved import ResolvedIdentity
from meshplan.compiler.syntax.identity import Subject
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
    return tuple(sorted(groups))
