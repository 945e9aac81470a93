"""How many tasks a second: a heap of files moved in at once, and a heap that was there before the daemon started."""

from __future__ import annotations

import time

from support import desks, report
from support.arrivals import Arrivals

PATIENCE = 600.0
MANY_WORKERS = "run:\n  workers: 32\n"


def burst(count: int, route: str, *, before: bool, settings: str = "") -> tuple[float, float]:
    """Seconds from the first rename (or the start) to the last task in completed/, and the daemon's CPU seconds."""
    with desks.throw_away(settings) as bench, Arrivals(bench.desk.folder("completed")) as done:
        if before:
            desks.drop_many(bench, count, route)
            started = time.perf_counter()
            daemon = bench.start(wait=False)
        else:
            daemon = bench.start()
            started = desks.drop_many(bench, count, route)
        taken = done.wait(".task.json", count=count, timeout=PATIENCE) - started
        return taken, desks.processor_seconds(daemon.pid)


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Tasks per second.")
    parser.add_argument("--files", type=int, default=2_000)
    options = parser.parse_args()
    rows: list[report.Row] = []
    for how, before in (("moved in at once", False), ("there before the start", True)):
        for what, route, settings in (
            ("no-op", desks.NOTHING, ""),
            ("process `true`", desks.PROCESS, ""),
            ("process `true`, 32 workers", desks.PROCESS, MANY_WORKERS),
            ("note", "", ""),
        ):
            seconds, processor = burst(options.files, route, before=before, settings=settings)
            rows.append(
                {
                    "what": f"{how}, {what}",
                    "files": options.files,
                    "seconds": round(seconds, 2),
                    "tasks/s": round(options.files / seconds),
                    "CPU ms per task": round(processor * 1000 / options.files, 2),
                }
            )
    report.show("throughput", rows, options)


if __name__ == "__main__":
    main()
