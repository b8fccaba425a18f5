"""What nobody could carry between a server and a client: their revisions, or the transport, have no way to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Era = Literal["legacy", "modern"]
"""Revisions with a handshake and sessions, and those without (2026-07-28)."""
Over = Literal["http", "stdio"]

FRONTS: Final = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
"""The revisions that clients may speak."""
MODERN: Final = "2026-07-28"
TASKS: Final = "io.modelcontextprotocol/tasks"
APPS: Final = "io.modelcontextprotocol/ui"
CARRIED: Final = frozenset({TASKS, APPS})
"""The extensions whose messages are carried; of any other, only its two ends know what it means."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A feature that clients of the revisions ``fronts`` do not get from servers of an era over a transport (``None``: any)."""

    feature: str
    why: str
    fronts: tuple[str, ...] = FRONTS
    era: Era | None = None
    over: Over | None = None

    def concerns(self, era: Era, over: Over) -> bool:
        """Whether it is about servers of this era over this transport."""
        return self.era in (None, era) and self.over in (None, over)


IMPOSSIBLE: Final = (
    Gap("batches", "only 2025-03-26 has batches", FRONTS[1:]),
    Gap("logging", "a log message in a pipe does not say which request it belongs to", over="stdio"),
    Gap("elicitation-form", "elicitation came with 2025-06-18", FRONTS[:1]),
    Gap("elicitation-url", "URLs for the user came with 2025-11-25", FRONTS[:2]),
    Gap("elicitation-complete", "URLs for the user came with 2025-11-25", FRONTS[:2]),
    Gap("elicitation-complete", "2026-07-28 does not tell when a user is done with a URL", FRONTS[3:]),
    Gap("elicitation-complete", "2026-07-28 does not tell when a user is done with a URL", era="modern"),
    Gap("elicitation-required", "URLs for the user came with 2025-11-25", FRONTS[:2]),
    Gap("elicitation-required", "2026-07-28 asks by a result, and not by an error", FRONTS[3:]),
    Gap("elicitation-required", "2026-07-28 asks by a result, and not by an error", era="modern"),
    Gap("rounds", "the question is an elicitation, which came with 2025-06-18", FRONTS[:1]),
    Gap("withdrawal", "2026-07-28 asks by a result, which is not taken back", FRONTS[3:]),
    Gap("withdrawal", "2026-07-28 asks by a result, which is not taken back", era="modern"),
    Gap("roots-changed", "2026-07-28 does not tell when roots change", FRONTS[3:]),
    Gap("roots-changed", "2026-07-28 does not tell when roots change", era="modern"),
    Gap("progress-of-answers", "clients of 2026-07-28 tell no progress", FRONTS[3:]),
    Gap("progress-of-answers", "servers of 2026-07-28 hear no progress", era="modern"),
    Gap("ping", "2026-07-28 has no ping", FRONTS[3:]),
    Gap("tasks", "the extension needs results that name their type, which came with 2026-07-28", FRONTS[:3]),
    Gap("tasks", "tasks of servers with sessions were an experiment that 2026-07-28 ended", era="legacy"),
    Gap("task-updates", "they are told on a `subscriptions/listen`, which came with 2026-07-28", FRONTS[:3]),
    Gap("task-updates", "tasks of servers with sessions were an experiment that 2026-07-28 ended", era="legacy"),
    Gap("structured-values", "structured content was always an object before 2026-07-28", FRONTS[:3]),
    Gap("extensions", "only the two ends of an extension know what its messages mean"),
)
"""Every gap, by the feature's name in tests/interaction/matrix, which tries each of them."""


def era_of(revision: str) -> Era:
    """The era of a revision of MCP; revisions are dates."""
    return "modern" if revision >= MODERN else "legacy"
