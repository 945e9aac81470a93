"""How long a desk with a past takes to answer: from the start of the process until its socket answers a ping."""

from __future__ import annotations

import statistics
import time

from support import desks, report
from support.seed import seed


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Time from starting the daemon until it answers.")
    parser.add_argument("--finished", type=int, default=10_000)
    parser.add_argument("--waiting", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    rows: list[report.Row] = []
    for finished, waiting in ((0, 0), (options.finished, options.waiting)):
        with desks.throw_away() as bench:
            seed(bench.desk, finished=finished, waiting=waiting, done_by=desks.NOTHING)
            taken = []
            for _ in range(options.times):
                started = time.perf_counter()
                bench.start()
                taken.append(time.perf_counter() - started)
                bench.stop()
            log = sum(path.stat().st_size for path in bench.desk.audit.glob("audit_*.jsonl")) / 2**20
        rows.append(
            {
                "finished, waiting": f"{finished}, {waiting}",
                "starts": len(taken),
                "median s": round(statistics.median(taken), 2),
                "max s": round(max(taken), 2),
                "log MiB": round(log, 1),
            }
        )
    report.show("startup", rows, options)


if __name__ == "__main__":
    main()
