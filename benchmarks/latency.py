"""How long one drop takes on a quiet desk, and one answer: 100 of each, seen from outside.

The clock starts just before the rename (or the copy) and stops when the kernel says that the task file is in
``queue/completed/``.
"""

from __future__ import annotations

import shutil
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from support import desks, report
from support.arrivals import Arrivals
from tests.support.desk import Bench

SETTINGS = "scan_interval: 1h\n"
"""Nothing is found by a scan that was due anyway."""


def dropping(bench: Bench, done: Arrivals, route: str, samples: int, pause: float, *, copied: bool) -> list[float]:
    """Seconds from a drop to its task file in completed/, *samples* times."""
    found = []
    for number in range(samples):
        name = f"{'copied' if copied else 'moved'}-{route or 'note'}-{number:04d}.txt"
        time.sleep(pause)  # the desk becomes quiet: the status note of the last one is written
        if copied:
            source = desks.outside(bench) / name
            source.write_bytes(desks.KIB)
            started = time.perf_counter()
            shutil.copy(source, bench.desk.inbox / route / name)
        else:
            started = desks.drop(bench, name, route)
        found.append(done.wait(".task.json") - started)
    return found


def answering(bench: Bench, done: Arrivals, samples: int, pause: float) -> list[float]:
    """Seconds from renaming a request to the task file in completed/."""
    approvals = bench.desk.approvals
    found = []
    for number in range(samples):
        with Arrivals(approvals) as asked:
            desks.drop(bench, f"letter-{number:04d}.txt", "hand-over")
            asked.wait(".json", count=2)  # the task's file and the request
        request = bench.until(lambda: waiting(approvals), "the request is there")
        time.sleep(pause)
        started = time.perf_counter()
        request.rename(request.with_name(f"{request.name}.approved"))
        found.append(done.wait(".task.json") - started)
    return found


def waiting(approvals: Path) -> Path | None:
    """The request that stands there, if one does."""
    names = [path for path in approvals.glob("*.json") if not path.name.startswith(".")]
    return next((path for path in names if not path.name.endswith((".task.json", ".request.json"))), None)


def measure(bench: Bench, options: Namespace) -> list[report.Row]:
    """Every row of the table."""
    count, pause = options.samples, options.pause
    rows: list[report.Row] = []

    def row(name: str, call: Callable[[Arrivals], list[float]]) -> None:
        with Arrivals(bench.desk.folder("completed")) as done:
            rows.append(report.milliseconds(name, call(done)))

    for how, copied in (("moved in", False), ("copied in (`cp`)", True)):
        for what, route in (
            ("no-op", desks.NOTHING), ("process `true`", desks.PROCESS), ("note", ""),
        ):  # fmt: skip
            row(
                f"{how}, {what}",
                lambda done, route=route, copied=copied: dropping(bench, done, route, count, pause, copied=copied),
            )
    row("request renamed, `hand-over`", lambda done: answering(bench, done, count, pause))
    return rows


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Time from a drop to its task in completed/, and from an answer.")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds of quiet before each sample")
    options = parser.parse_args()
    with desks.throw_away(SETTINGS) as bench:
        bench.start()
        dropping(bench, Arrivals(bench.desk.folder("completed")), desks.NOTHING, 3, 0.3, copied=False)  # warm up
        rows = measure(bench, options)
        bench.stop()
    report.show("latency", rows, options)


if __name__ == "__main__":
    main()
