"""What must not grow with the number of tasks, with room for a busy machine; the figures come from ``benchmarks/``."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from benchmarks.support import desks
from benchmarks.support.audit_cost import appended, verified
from benchmarks.support.seed import seed

from deskhand.core.log import NoLog
from deskhand.engine.assemble import open_desk
from deskhand.engine.ledger import REPLAY_MAX
from tests.support.desk import Bench

pytestmark = pytest.mark.slow


def test_verifying_and_appending_are_quick(tmp_path: Path) -> None:
    taken = sorted(appended(tmp_path, 5_000))
    assert taken[len(taken) // 4] < 40e-6, "seconds of processor time for a record"
    assert float(verified(tmp_path, strict=False, times=5)["us of CPU each"]) < 4
    assert float(verified(tmp_path, strict=True, times=1)["us of CPU each"]) < 60


def test_a_start_replays_no_more_however_much_was_done_today(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "desk")
    desks.prepare(bench)
    seed(bench.desk, finished=15_000, waiting=0, done_by=desks.NOTHING)
    log = sorted(bench.desk.audit.glob("audit_*.jsonl"))
    assert len(log) > 1
    used = time.process_time()
    with open_desk(bench.desk, NoLog(), ring=lambda: None, watch=False) as session:
        used = time.process_time() - used
        assert session.audit.records < REPLAY_MAX + 2_000
    assert used < 3.0
    bench.close()


def test_a_waiting_task_takes_few_bytes(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "desk")
    desks.prepare(bench)
    bytes_of = {}
    for more in (4_000, 4_000):
        seed(bench.desk, finished=0, waiting=more, done_by=desks.NOTHING)
        tracemalloc.start()
        with open_desk(bench.desk, NoLog(), ring=lambda: None, watch=False) as session:
            session.engine.tick()
            session.engine.tick()
            bytes_of[len(session.engine.ledger.tasks)] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert (bytes_of[8_000] - bytes_of[4_000]) / 4_000 < 1_000
    bench.close()
