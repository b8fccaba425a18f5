"""The listener of ``runtime.admin_listen``: bound for the first plan that has one, and kept until the runtime ends."""

from __future__ import annotations

import socket
from functools import partial

from meshplan.runtime.active import Active
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.front.http1.server import App, HttpServer
from meshplan.runtime.listen import TRUST, StartError, binding_of, listen_on
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.plan import Plan

DRAIN = 2.0
"""Seconds that a page which is being made gets when the runtime ends."""


class AdminPort:
    """One socket; ``instead`` takes the place of what plans say."""

    def __init__(self, instead: str | None = None) -> None:
        self._instead = instead
        self._bound: tuple[str, socket.socket, Binding] | None = None

    def prepare(self, plan: Plan) -> None:
        """Before a plan is served: bind what it says; raises ``PlanRefusedError`` where that cannot be."""
        wanted = self._instead or plan.runtime.admin_listen
        if self._bound is not None and wanted != self._bound[0]:
            raise _refused("another `admin_listen` takes effect when the runtime is started again")
        if self._bound is None and wanted is not None:
            self._bound = wanted, *_bind(wanted)

    @property
    def binding(self) -> Binding | None:
        """Where it really listens, once it does."""
        return None if self._bound is None else self._bound[2]

    async def opened(self, active: Active) -> socket.socket:
        """The listening socket, once there is a plan that has one."""
        while self._bound is None:
            await active.swapped.wait()
        return self._bound[1]

    async def serve(self, app: App, listener: socket.socket) -> None:
        """Serve until cancelled."""
        try:
            await HttpServer(app).serve(listener, _quiet, DRAIN)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the socket in this process."""
        if self._bound is not None:
            self._bound[1].close()


def open_port(instead: str | None, plan: Plan | None) -> AdminPort:
    """What a runtime with this plan, or without one yet, starts with; raises ``StartError``."""
    admin = AdminPort(instead)
    try:
        if plan is not None:
            admin.prepare(plan)
    except PlanRefusedError as error:
        raise StartError(TRUST, f"the plan is refused ({error.code}): {error}") from None
    return admin


def _bind(wanted: str) -> tuple[socket.socket, Binding]:
    try:
        binding = binding_of(wanted)
        listener = listen_on(binding)
    except StartError as error:
        raise _refused(str(error)) from None
    except OSError as error:
        raise _refused(f"cannot listen on `{wanted}`: {error.strerror}") from None
    return listener, Binding(binding.host, listener.getsockname()[1])


_refused = partial(PlanRefusedError, "admin_listen")


def _quiet() -> None:
    """The main listener announces the runtime."""
