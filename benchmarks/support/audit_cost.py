"""Processor time of appending to the audit log, without the disk's work, and of verifying it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from deskhand.core.record import Draft
from deskhand.engine.clock import SystemClock
from deskhand.store.audit_log import AuditLog
from deskhand.store.audit_verify import verify
from deskhand.testing.sample_log import append_task

from .report import Row
from .seed import Unsynced

BATCH = 64
"""Tasks whose records are committed together."""


class Nowhere:
    """Takes drafts as a log does, and does nothing with them: what making them costs is not the log's."""

    def __init__(self) -> None:
        self._seq = 0

    def append(self, draft: Draft) -> int:
        """The next number."""
        self._seq += 1
        return self._seq


def appended(folder: Path, tasks: int) -> list[float]:
    """Make a log; seconds of processor time for one record, for each batch, without the disk's work."""
    log = AuditLog.create(Unsynced(), folder, clock=SystemClock(), origin={}, desk="d", version="0")
    taken = []
    for start in range(0, tasks, BATCH):
        seq = log.head.seq
        used = _filled(log, start) - _filled(Nowhere(), start)
        log.commit()
        taken.append(used / (log.head.seq - seq))
    log.close()
    return taken


def _filled(log: AuditLog | Nowhere, start: int) -> float:
    used = time.process_time()
    for number in range(start, start + BATCH):
        append_task(cast(AuditLog, log), number)
    return time.process_time() - used


def verified(folder: Path, *, strict: bool, times: int) -> Row:
    """Verify it again and again; the fastest counts, because others use the processor too."""
    best, lines = float("inf"), 0
    for _ in range(times):
        used = time.process_time()
        result = verify(folder, strict=strict)
        best, lines = min(best, time.process_time() - used), result.entries
        assert result.ok, result.errors
    size = sum(path.stat().st_size for path in folder.glob("audit_*.jsonl"))
    return {
        "what": "verify --strict" if strict else "verify the chain",
        "records": lines,
        "bytes each": round(size / lines),
        "us of CPU each": round(best / lines * 1e6, 2),
        "a second": f"{lines / best:,.0f}",
    }
