"""The methods that a client may ask for, by which attempts and spans are told apart; any other one is made up."""

from __future__ import annotations

from typing import Final

from meshplan.runtime.lists import LIST_KINDS
from meshplan.runtime.targets import RESOLVERS
from meshplan.runtime.tasks import METHODS as TASK_METHODS

OWN: Final = frozenset(
    {
        "initialize",
        "logging/setLevel",
        "ping",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
    }
)
"""Those that the mesh answers itself, without a call."""
METHODS: Final = frozenset({*RESOLVERS, *LIST_KINDS, *TASK_METHODS, *OWN})
