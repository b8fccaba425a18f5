"""Names of one endpoint that a reader could take for each other: by case, by letters of another script, by what is unseen."""

from __future__ import annotations

import unicodedata
from typing import Final

from meshplan.compiler.diagnostics import Diagnostic, Label
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.render.view import visible
from meshplan.compiler.resolved import ResolvedEndpoint, ResolvedOffer
from meshplan.compiler.rules import report

_LETTERS: Final = (
    "a:0430,03b1,0251 b:0432,044c,03b2,0299 c:0441,abaf d:0501,0111 e:0435,0437,03b5 g:0581,0261 "
    "h:04bb,043d,0570,0127 i:0456,03b9,0131,0269 j:0458 k:043a,03ba l:04cf,029f,01c0,0142 m:043c "
    "n:043f,03b7,0578,0274 o:043e,03bf,0585,1d0f,00f8 p:0440,03c1 q:051b r:0491,0433,0280 s:0455,017f "
    "t:0442,03c4,0167 u:03c5,057d v:0475,03bd w:051d,03c9 x:0445,03c7 y:0443,03b3 z:03b6"
)
"""For each ASCII letter the code points of letters, case-folded, that are taken for it: Cyrillic, Greek, Armenian and Latin.

After Unicode TS 39 (confusables), the common ones only.
"""

_LOOKS: Final = {
    int(number, 16): letter
    for letter, numbers in (entry.split(":") for entry in _LETTERS.split())
    for number in numbers.split(",")
}
_SHAPES: Final = str.maketrans({"I": "l", "1": "l", "|": "l", "0": "o", "O": "o", "5": "s", "-": "_", ".": "_"})
_UNSEEN: Final = frozenset(("Cf", "Cc", "Mn", "Me", "Zs", "Zl", "Zp", "Cn", "Co"))


def look_alikes(draft: Draft) -> list[Diagnostic]:
    """One warning for each name that looks like an earlier one of its kind; URIs are not judged."""
    if draft.resolved is None:
        return []
    return [finding for endpoint in draft.resolved.endpoints for finding in _of_endpoint(draft, endpoint)]


def skeletons(name: str) -> tuple[str, str]:
    """What remains of a name for somebody who ignores case, and for somebody who only looks at shapes."""
    if name.isascii() and name.isprintable():
        seen = name.replace(" ", "")
        return seen.lower().translate(_LOOKS), seen.translate(_SHAPES).lower().translate(_LOOKS)
    seen = "".join(char for char in unicodedata.normalize("NFKD", name) if unicodedata.category(char) not in _UNSEEN)
    return _plain(seen), _plain(seen.translate(_SHAPES))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_LOOKS)


def _of_endpoint(draft: Draft, endpoint: ResolvedEndpoint) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    first: dict[tuple[str, str], ResolvedOffer] = {}
    for offer in endpoint.offers:
        kind = offer.capability.kind
        if kind not in ("tool", "prompt"):
            continue
        keys = [(kind, skeleton) for skeleton in skeletons(offer.name)]
        other = next((first[key] for key in keys if key in first), None)
        if other is not None:
            found.append(_finding(draft, endpoint.name, other, offer))
        for key in keys:
            first.setdefault(key, offer)
    return found


def _finding(draft: Draft, endpoint: str, other: ResolvedOffer, offer: ResolvedOffer) -> Diagnostic:
    if draft.root is None:
        raise ValueError("checks run after source")
    names = [_shown(each.name) for each in (other, offer)]
    return report(
        "look-alike-names",
        locate(draft.root, offer.path).key_span(),
        f"two {offer.capability.kind}s of `{endpoint}` have names that look alike: `{names[0]}` of "
        f"`{other.capability.server}` and `{names[1]}` of `{offer.capability.server}`",
        help="give one of them another `name` or `prefix`, or take it away with `except`",
        labels=(Label(locate(draft.root, other.path).key_span(), "the other one comes from here"),)
        if other.path != offer.path
        else (),
    )


def _shown(name: str) -> str:
    """A name in which what is not ASCII shows as such."""
    return visible(name[:80]) if name.isascii() else name[:80].encode("ascii", "backslashreplace").decode()
