"""Whether a task costs the same however much is behind the desk or waits on it: processor time for each of a heap."""

from __future__ import annotations

import time

from support import desks, report
from support.arrivals import Arrivals
from support.pasts import with_pasts
from tests.support.desk import Bench

DESKS = ((1_000, 0), (10_000, 0), (100_000, 0), (0, 10_000), (0, 100_000))
"""Finished and waiting tasks."""


def measure(bench: Bench, count: int) -> report.Row:
    """Drop *count* files for which nothing is done on a running desk, and give one answer where one is asked."""
    assert bench.daemon is not None
    pid = bench.daemon.pid
    questions = [path for path in bench.desk.approvals.glob("2*.json") if path.name.count(".") == 1][:1]
    with Arrivals(bench.desk.folder("completed")) as done:
        used, started = desks.processor_seconds(pid), time.perf_counter()
        desks.drop_many(bench, count, desks.NOTHING)
        lasted = done.wait(".task.json", count=count, timeout=300.0) - started
        used = desks.processor_seconds(pid) - used
        answer = 0.0
        for question in questions:
            asked = time.perf_counter()
            question.rename(question.with_name(f"{question.name}.approved"))
            answer = done.wait(".task.json", timeout=300.0) - asked
    return {
        "tasks": count,
        "ms of CPU each": round(used / count * 1000, 2),
        "a second": round(count / lasted),
        "an answer, ms": round(answer * 1000) if questions else "-",
    }


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Cost of a task on desks with more and more behind them or waiting on them.")
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--most", type=int, default=100_000, help="leave out desks with more tasks than this")
    options = parser.parse_args()
    rows: list[report.Row] = []
    for finished, waiting, bench in with_pasts(DESKS, options.most):
        bench.start()
        rows.append({"desk": f"{finished:,} finished, {waiting:,} waiting", **measure(bench, options.tasks)})
        bench.stop()
    report.show("growth", rows, options)


if __name__ == "__main__":
    main()
