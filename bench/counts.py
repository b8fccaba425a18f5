"""`make bench-counts`: what it costs a call that callers and turns are counted for all workers, beside one process alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from meshplan.runtime.crowd import Crowd, Line
from meshplan.runtime.supervisor.board import Board, Shared
from meshplan.runtime.supervisor.lines import CommonLine

CALLS, ROUNDS, LIMIT = 50_000, 9, 64
OWNER = ("https://idp.example", "user-17")


def common(board: Board, column: int) -> Crowd:
    """The calls of one worker."""

    def of(kind: str) -> Shared:
        return Shared(board, column, kind, lambda _kind, _who: None)

    turns, waits = of("turns"), of("waits")
    return Crowd(of("calls"), lambda server: CommonLine(server, turns, waits))


def calls(crowd: Crowd) -> None:
    """What each call does as it begins and ends."""
    for _ in range(CALLS):
        with crowd.caller(OWNER, LIMIT):
            line: Line = crowd.line("server")
            line.enter(256)
            line.leave()


def cpu(work: Callable[[], None]) -> float:
    """Microseconds of processor time that one call takes."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / CALLS * 1e6


def main() -> None:
    """Print the least of several interleaved rounds."""
    crowds = {"one process": Crowd()}
    for workers in (2, 4, 8):
        board = Board(workers)
        # The others have calls of this caller under way, too.
        for column in range(1, workers):
            common(board, column).caller(OWNER, LIMIT).__enter__()
        crowds[f"{workers} workers"] = common(board, 0)
    least = dict.fromkeys(crowds, float("inf"))
    for _ in range(ROUNDS):
        for name, crowd in crowds.items():
            least[name] = min(least[name], cpu(lambda crowd=crowd: calls(crowd)))
    print(f"{'counted for':<16}{'us of CPU a call':>18}")
    for name, found in least.items():
        print(f"{name:<16}{found:>18.2f}")


if __name__ == "__main__":
    main()
