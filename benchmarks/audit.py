"""What the audit log costs: appending a record, and verifying what was appended; in processor time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from support import report
from support.audit_cost import appended, verified


def main() -> None:
    """Measure and report."""
    parser = report.arguments("Processor time of appending to the audit log and of verifying it.")
    parser.add_argument("--tasks", type=int, default=25_000)
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as name:
        folder = Path(name)
        taken = sorted(appended(folder, options.tasks))
        rows: list[report.Row] = [verified(folder, strict=strict, times=options.times) for strict in (False, True)]
        typical = taken[len(taken) // 2]
        records, each = rows[0]["records"], rows[0]["bytes each"]
        rows.append(
            {
                "what": "append",
                "records": records,
                "bytes each": each,
                "us of CPU each": round(typical * 1e6, 2),
                "a second": f"{1 / typical:,.0f}",
            }
        )
    report.show("audit", rows, options)


if __name__ == "__main__":
    main()
