"""The head of a request, read and checked; a connection that repeats it is not asked again."""

from __future__ import annotations

from typing import cast

from msgspec import Struct

from meshplan.runtime.front import guard
from meshplan.runtime.front.asgi import KEPT, Scope
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.principal import Approach
from meshplan.runtime.snapshot import Snapshot

Lines = list[tuple[bytes, bytes]]

_OWN = frozenset({b"content-length", b"mcp-method", b"mcp-name"})
"""Headers that differ from request to request, and that no check of a head reads; none of them may come twice."""


class Head(Struct):
    """One that is in order under a plan (its digest).

    ``seen`` is what it shows of who sends it, ``posts`` says that it may stand before a message.
    """

    plan: str | None
    lines: Lines
    seen: Approach
    posts: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return self.seen.headers

    def check_post(self) -> None:
        """See ``guard.check_post``."""
        if not self.posts:
            guard.check_post(self.headers)
            self.posts = True

    def again(self, lines: Lines, plan: str | None) -> Head | None:
        """The head with these lines, if they say the same but for what is each request's own."""
        if plan != self.plan or len(lines) != len(self.lines):
            return None
        if lines == self.lines:
            return self
        changed: Lines = []
        for new, old in zip(lines, self.lines, strict=True):
            if new != old:
                if new[0] != old[0] or new[0] not in _OWN:
                    return None
                changed.append(new)
        seen = Approach({**self.headers, **guard.read_headers(changed)}, self.seen.peer, self.seen.presented)
        return Head(self.plan, lines, seen, self.posts)


def read(scope: Scope, snapshot: Snapshot | None, binding: Binding) -> Head:
    """The head of a request under the plan that is served; raises ``HeadError``."""
    kept, lines = scope.get("extensions", {}).get(KEPT), cast("Lines", scope["headers"])
    plan = snapshot.digest if snapshot else None
    before = None if kept is None else kept.get("head")
    found = before.again(lines, plan) if isinstance(before, Head) else None
    if found is None:
        found = Head(plan, lines, _checked(scope, snapshot, binding))
    if kept is not None:
        kept["head"] = found
    return found


def _checked(scope: Scope, snapshot: Snapshot | None, binding: Binding) -> Approach:
    headers = guard.read_headers(scope["headers"], snapshot.keyring.proxies if snapshot else ())
    seen = guard.approach(scope, headers)
    settings = snapshot.plan.runtime if snapshot else None
    guard.check_host(seen, scope, binding, settings)
    guard.check_origin(seen, settings)
    return seen
