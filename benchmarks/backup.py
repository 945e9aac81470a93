"""How long a backup takes while tasks move, and how long it keeps the thread that moves them.

The thread that decides and moves is asked by the backup three times: for the head of the log, to put the backup on
record, and to scan when something vanished.  ``stopped s`` is the sum of these round trips, more than the moves can
have stood still for it.  ``longest move s`` is the longest time from a drop to its result, with and without a backup:
reading and packing compete for the processor and the disk, which is not stopping.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from deskhand.core.settings import Settings
from deskhand.engine.backing import create
from deskhand.host.client import request
from deskhand.store.files import Files
from support import desks, report
from support.pasts import with_pasts
from tests.support.desk import Bench

DESKS = ((500, 500), (5_000, 5_000))
"""Tasks that are finished, and tasks that wait for an answer."""
EVERY = 0.1
"""Seconds between two drops."""


class Moves:
    """Drops a file now and then, and measures until its result is there."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.longest = 0.0
        self.count = 0

    def __enter__(self) -> Moves:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _work(self) -> None:
        completed = self._bench.desk.folder("completed")
        while not self._over.wait(EVERY):
            begun = time.perf_counter()
            name = f"moved-{time.monotonic_ns()}"
            self._bench.move_in(f"{name}.txt", b"x\n", f"watch_inbox/{desks.NOTHING}")
            while not any(completed.glob(f"*{name}*.task.json")) and time.perf_counter() - begun < 30:
                time.sleep(0.002)
            self.longest = max(self.longest, time.perf_counter() - begun)
            self.count += 1


class Asked:
    """Has commands carried out by the daemon, and adds up how long that takes."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.seconds = 0.0

    def __call__(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask."""
        begun = time.perf_counter()
        reply = request(self._bench.desk, verb, arguments, timeout=60.0, need_daemon=True)
        self.seconds += time.perf_counter() - begun
        return reply


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Time that a backup takes, and for how long it stops the moves.")
    parser.add_argument("--most", type=int, default=10_000, help="leave out desks with more tasks than this")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    rows: list[report.Row] = []
    for finished, waiting, bench in with_pasts(DESKS, options.most):
        bench.start()
        with Moves(bench) as quiet:
            time.sleep(3)
        taken, stopped, sizes = [], [], []
        with Moves(bench) as moves:
            for _ in range(options.times):
                asked = Asked(bench)
                made = create(Files(), bench.desk, Settings(), asked)
                assert made.verified, made.odd
                taken.append(made.seconds)
                stopped.append(asked.seconds)
                sizes.append((made.facts.entries, made.bytes))
        bench.stop()
        rows.append(
            {
                "finished, waiting": f"{finished:,}, {waiting:,}",
                "files": sizes[-1][0],
                "MB": round(sizes[-1][1] / 1e6, 1),
                "seconds": round(min(taken), 2),
                "max s": round(max(taken), 2),
                "stopped s": round(max(stopped), 3),
                "longest move s": round(moves.longest, 3),
                "without s": round(quiet.longest, 3),
                "moves": moves.count,
            }
        )
    report.show("backup", rows, options)


if __name__ == "__main__":
    main()
