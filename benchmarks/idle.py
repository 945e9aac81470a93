"""What the daemon costs while nothing happens: processor, memory, descriptors, threads, wake-ups."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from support import desks, report
from support.seed import seed
from tests.support.desk import Bench

DESKS = (("fresh", 0, 0), ("10,000 finished, 1,000 waiting", 10_000, 1_000), ("100,000 waiting", 0, 100_000))


def watch(name: str, bench: Bench, seconds: float) -> report.Row:
    """Measure a running daemon over *seconds*."""
    assert bench.daemon is not None
    top = psutil.Process(bench.daemon.pid)
    processes = [top, *top.children(recursive=True)]
    time.sleep(2.0)  # what a start leaves to do is over
    before, woken = desks.processor_seconds(top.pid), wakeups(processes)
    started = time.perf_counter()
    time.sleep(seconds)
    lasted = time.perf_counter() - started
    used = desks.processor_seconds(top.pid) - before
    return {
        "desk": name,
        "seconds": round(lasted),
        "% of a core": round(100 * used / lasted, 3),
        "wake-ups/s": round((wakeups(processes) - woken) / lasted, 1),
        "RSS MB": round(sum(process.memory_info().rss for process in processes) / 1e6, 1),
        "processes": len(processes),
        "threads": sum(process.num_threads() for process in processes),
        "descriptors": sum(process.num_fds() for process in processes),
    }


def wakeups(processes: list[psutil.Process]) -> int:
    """How often their threads went to sleep by themselves so far."""
    total = 0
    for process in processes:
        for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def main() -> None:
    """Measure and report."""
    parser = report.arguments("What an idle daemon costs.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--most", type=int, default=100_000, help="leave out desks with more tasks than this")
    options = parser.parse_args()
    rows = []
    for name, finished, waiting in DESKS:
        if max(finished, waiting) > options.most:
            continue
        with desks.throw_away() as bench:
            seed(bench.desk, finished=finished, waiting=waiting, done_by=desks.NOTHING)
            bench.start()
            rows.append(watch(name, bench, options.seconds))
            bench.stop()
    report.show("idle", rows, options)


if __name__ == "__main__":
    main()
