"""How long a desk with a past takes to answer: from the start of the process until its socket answers a ping."""

from __future__ import annotations

import statistics
import time

import psutil

from support import desks, report
from support.pasts import with_pasts

DESKS = ((0, 0), (10_000, 1_000), (100_000, 0), (0, 100_000))
"""Tasks that were finished today, and tasks that wait for an answer."""


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Time from starting the daemon until it answers.")
    parser.add_argument("--most", type=int, default=100_000, help="leave out desks with more tasks than this")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    rows: list[report.Row] = []
    for finished, waiting, bench in with_pasts(DESKS, options.most):
        taken, used, memory = [], [], []
        for _ in range(options.times):
            started = time.perf_counter()
            daemon = bench.start()
            taken.append(time.perf_counter() - started)
            used.append(desks.processor_seconds(daemon.pid))
            memory.append(psutil.Process(daemon.pid).memory_info().rss / 1e6)
            bench.stop()
        log = sum(path.stat().st_size for path in bench.desk.audit.glob("audit_*.jsonl")) / 2**20
        rows.append(
            {
                "finished, waiting": f"{finished:,}, {waiting:,}",
                "starts": len(taken),
                "median s": round(statistics.median(taken), 2),
                "max s": round(max(taken), 2),
                "s of CPU": round(min(used), 2),
                "RSS MB": round(max(memory)),
                "log MiB": round(log, 1),
            }
        )
    report.show("startup", rows, options)


if __name__ == "__main__":
    main()
