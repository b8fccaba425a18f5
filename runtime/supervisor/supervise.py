"""Starts the keeper and the workers, starts workers that died again, and passes signals on; has no event loop and no threads.

That is why it may fork at any time: a plan that was loaded and frozen once is shared by copy-on-write, also with a worker
that is started hours later.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import anyio

from meshplan.runtime import planfile
from meshplan.runtime.admin.port import open_port
from meshplan.runtime.app import Source, local_secret, read_plan, wanted_binding
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.listen import INTERRUPTED, OK, USAGE, StartError, listen_on, told
from meshplan.runtime.record import Lines, new_id
from meshplan.runtime.seal import OWN_KEY
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.supervisor.board import Board
from meshplan.runtime.supervisor.keeper import DRAIN, keep
from meshplan.runtime.supervisor.setup import Setup
from meshplan.runtime.supervisor.signals import OURS, Signals, caught
from meshplan.runtime.supervisor.standings import Standings
from meshplan.runtime.supervisor.worker import INTERNAL, work
from meshplan.schemas.bundle import PlanRefusedError

QUICK: Final = 5.0
"""Seconds: a worker that lives shorter is started again only after a pause, doubled each time."""
FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0
MAX_DEATHS, WITHIN = 20, 60.0
"""More deaths of workers within so many seconds, and the runtime gives up."""
MAX_FOLDER: Final = 75
"""Characters: the path of a socket has 103 at most on some systems."""
CLOSE: Final = 15.0
"""Seconds that the keeper gets to close connections and end children."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seat:
    """One place for a worker: its column of what is counted, and its share of the port, open while nobody sits there."""

    column: int
    listener: socket.socket
    name: str = ""
    pid: int = 0
    began: float = 0.0
    pause: float = 0.0
    due: float = 0.0


def supervise(
    source: Source,
    listen: str | None,
    workers: int,
    *,
    local: bool,
    insecure_unsigned: bool,
    admin_listen: str | None = None,
) -> int:
    """Serve with several workers until a signal; returns the exit code, and raises ``StartError``."""
    snapshot = _snapshot(source)
    wanted = wanted_binding(snapshot, listen, local=local, insecure_unsigned=insecure_unsigned)
    secret = local_secret(source.root) if local else None
    admin = open_port(admin_listen, snapshot.plan if snapshot else None)
    listeners = _listeners(wanted, workers)
    folder, (lifeline, held) = Path(tempfile.mkdtemp(prefix="meshplan-")), os.pipe()
    if len(str(folder)) > MAX_FOLDER:
        folder.rmdir()
        raise StartError(USAGE, f"`{folder.parent}` is too long a path for sockets in it; set TMPDIR to a shorter one")
    binding = Binding(wanted.host, listeners[0].getsockname()[1])
    board, standings = Board(workers), Standings(folder / "standings")
    setup = Setup(
        source,
        binding,
        secret,
        local,
        workers,
        folder,
        os.urandom(OWN_KEY),
        lifeline,
        snapshot,
        admin,
        board,
        standings,
    )
    gc.collect()
    gc.freeze()
    try:
        with caught() as signals:
            return _Supervisor(setup, held, [_Seat(*one) for one in enumerate(listeners)], signals).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _snapshot(source: Source) -> Snapshot | None:
    """The plan at the start; a store's may also come, or become good, later."""
    if source.plan is not None:
        return Snapshot(read_plan(source.plan))
    if source.store is None:
        return None
    try:
        text = planfile.pointer_text(source.store, source.channel)
        published = planfile.from_store(source.store, source.channel, text) if text is not None else None
    except PlanRefusedError:
        return None
    return None if published is None else Snapshot(published.bundle, published.pointer.seq)


def _listeners(wanted: Binding, count: int) -> list[socket.socket]:
    """A listening socket for each worker, all on one port; raises ``StartError``.

    Where the kernel can spread connections over sockets, each has its own; elsewhere all share one.
    """
    try:
        if sys.platform != "linux":
            return [listen_on(wanted)] * count
        # Alone first: with SO_REUSEPORT, a port that another runtime of this user has would be shared with it.
        with listen_on(wanted) as alone:
            port: int = alone.getsockname()[1]
        first = listen_on(Binding(wanted.host, port), shared=True)
        return [first, *(listen_on(Binding(wanted.host, port), shared=True) for _ in range(count - 1))]
    except OSError as error:
        raise StartError(USAGE, f"cannot listen on `{wanted.host}:{wanted.port}`: {error.strerror}") from None


class _Supervisor:
    def __init__(self, setup: Setup, held: int, seats: list[_Seat], signals: Signals) -> None:
        self._setup, self._held, self._seats, self._signals = setup, held, seats, signals
        self._say = Lines(sys.stderr)
        self._keeper = 0
        self._deaths: deque[float] = deque()
        self._code: int | None = None

    def run(self) -> int:
        if not self._start_keeper():
            return os.waitstatus_to_exitcode(os.waitpid(self._keeper, 0)[1])
        while self._code is None:
            now = time.monotonic()
            for seat in self._seats:
                if not seat.pid and seat.due <= now:
                    self._start(seat)
            pauses = [seat.due - now for seat in self._seats if not seat.pid]
            self._wait(min(pauses, default=None))
        self._end()
        return self._code

    def _start_keeper(self) -> bool:
        """Start the keeper; True once workers can reach it."""
        reader, writer = os.pipe()

        def ready() -> None:
            os.write(writer, b"k")

        self._keeper = self._fork(partial(keep, self._setup, ready), None, (reader,))
        os.close(writer)
        began = os.read(reader, 1) == b"k"
        os.close(reader)
        return began

    def _start(self, seat: _Seat) -> None:
        seat.name, seat.began = new_id(), time.monotonic()
        seat.pid = self._fork(partial(work, self._setup, seat.name, seat.column, seat.listener), seat.listener, ())
        self._say("worker", {"worker": seat.name, "pid": seat.pid})

    def _fork(self, work: Callable[[], Awaitable[int]], own: socket.socket | None, foreign: tuple[int, ...]) -> int:
        sys.stderr.flush()
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            for descriptor in (self._held, self._signals.reader, self._signals.writer, *foreign):
                os.close(descriptor)
            for seat in self._seats:
                if seat.listener is not own:
                    seat.listener.close()
            _be(work)
        return pid

    def _wait(self, seconds: float | None) -> None:
        select.select([self._signals.reader], [], [], None if seconds is None else max(0.0, seconds))
        while self._signals.drained():
            pass
        while self._signals.arrived:
            number = self._signals.arrived.popleft()
            if number == signal.SIGCHLD:
                self._reap()
            elif self._code is None:
                self._code = INTERRUPTED if number == signal.SIGINT else OK
            else:
                self._tell_workers()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._keeper:
                self._keeper = 0
                if self._code is None:
                    self._say("keeper_ended", {"status": status})
                    self._code = INTERNAL
            for seat in self._seats:
                if seat.pid == pid:
                    self._bury(seat, status)

    def _bury(self, seat: _Seat, status: int) -> None:
        self._setup.worker(seat.name).unlink(missing_ok=True)
        self._setup.board.clear(seat.column)
        self._setup.standings.clear(seat.column)
        pid, seat.pid, now = seat.pid, 0, time.monotonic()
        if self._code is not None:
            return
        self._say("worker_ended", {"worker": seat.name, "pid": pid, "status": os.waitstatus_to_exitcode(status)})
        quick = now - seat.began < QUICK
        seat.pause = min(MAX_PAUSE, 2 * seat.pause or FIRST_PAUSE) if quick else 0.0
        seat.due = now + seat.pause
        self._deaths.append(now)
        while self._deaths[0] < now - WITHIN:
            self._deaths.popleft()
        if len(self._deaths) > MAX_DEATHS:
            self._say("gave_up", {"deaths": len(self._deaths), "seconds": WITHIN})
            self._code = INTERNAL

    def _end(self) -> None:
        """Let the workers finish what they have, then the keeper; nobody stays behind."""
        for seat in self._seats:
            seat.listener.close()
        self._tell_workers()
        self._until(lambda: not any(seat.pid for seat in self._seats), DRAIN)
        for seat in self._seats:
            _kill(seat.pid, signal.SIGKILL)
        _kill(self._keeper, signal.SIGTERM)
        self._until(lambda: not self._keeper, CLOSE)
        _kill(self._keeper, signal.SIGKILL)

    def _tell_workers(self) -> None:
        for seat in self._seats:
            _kill(seat.pid, signal.SIGTERM)

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        self._reap()
        while not done() and time.monotonic() < end:
            self._wait(end - time.monotonic())


def _kill(pid: int, number: int) -> None:
    if pid:
        os.kill(pid, number)


def _be(work: Callable[[], Awaitable[int]]) -> NoReturn:
    """What a forked process does, to its end: the supervisor's own frames above are not for it to return to."""
    code = INTERNAL
    try:
        signal.set_wakeup_fd(-1)
        for number in OURS:
            signal.signal(number, signal.SIG_DFL)
        # At a terminal, an interrupt reaches every process; how to end is for the supervisor to say.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = anyio.run(work, backend_options={"use_uvloop": True})
    finally:
        error = sys.exc_info()[1]
        said = None if error is None else told(error)
        if said is not None:
            code = said
        elif error is not None:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)
