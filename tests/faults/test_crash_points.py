"""Rows 45, 47, 48 and 49: killed, or failed, at every single call that changes the disk.

Each point is a desk of its own: it lives until the call, in a process that really ends there, and again on a healthy
disk until nothing is left to do.  Then every drop must have come to its one end, delivered once, and I1-I7 hold.
"""

from __future__ import annotations

import errno
import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.host.found import init
from deskhand.store import skeleton
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from tests.support.crash import ERRNOS, Scenario, Table
from tests.support.fault_desk import FaultBench

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
S = State
DONE = frozenset({S.COMPLETED})
RESULT = b"the result\n"
MIDNIGHT = (time.time() // 86_400 + 1) * 86_400

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "keep",
            {"archive/plan.txt": b"a plan\n"},
            {"plan.txt": DONE},
            {"archive/*/*/plan*": (b"a plan\n", 1, 1)},
        ),
        Scenario(
            "copy",
            {"archive/plan.txt": b"a plan\n"},
            {"plan.txt": DONE},
            {"archive/*/*/plan*": (b"a plan\n", 1, 1)},
            linked=True,
        ),
        Scenario(
            "folder",
            {"archive/trip/a.txt": b"a", "archive/trip/deep/b.txt": b"b"},
            {"trip": DONE},
            {"archive/*/*/trip*/a.txt": (b"a", 1, 1), "archive/*/*/trip*/deep/b.txt": (b"b", 1, 1)},
        ),
        Scenario(
            "approve",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": DONE},
            {"outbox/letter*": (b"dear you\n", 1, 1)},
            {S.WAITING: "approved"},
        ),
        Scenario(
            "reject",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.REJECTED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "rejected"},
        ),
        Scenario(
            "cancel",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.CANCELLED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "cancel"},
        ),
        Scenario(
            "retry",
            {"work/job.txt": b"a job\n"},
            {"job.txt": DONE},
            {"made/result*": (RESULT, 1, 1)},
            plan=("failed", "ok"),
        ),
        Scenario(
            "in doubt, run again",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/result*": (RESULT, 1, 1)},
            {S.IN_DOUBT: "approved"},
            plan=("cut", "ok"),
        ),
        Scenario(
            "in doubt, it happened",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/*": (b"", 0, 0)},
            {S.IN_DOUBT: "happened"},
            plan=("cut",),
        ),
        Scenario(
            "midnight",
            {"archive/early.txt": b"early\n", "hand-over/asked.txt": b"asked\n"},
            {"early.txt": DONE, "asked.txt": frozenset({S.WAITING}), "late.txt": DONE},
            {"archive/*/*/early*": (b"early\n", 1, 1), "archive/*/*/late*": (b"late\n", 1, 1)},
            start=MIDNIGHT - 2,
            late={"archive/late.txt": b"late\n"},
            late_at=10,
        ),
    )
}


def furnish(desk: Desk) -> None:
    """A desk with a recipe that may be repeated and one that may not."""
    bench = FaultBench(desk.root.parent)
    retry = {"attempts": 4, "backoff": "1s"}
    bench.bless("work", "command", argv=["work"], idempotent=True, retry=retry, deliver="made/{name}")
    bench.bless("once", "command", argv=["once"], idempotent=False, deliver="paid/{name}")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A desk that is put back to its beginning for every point."""
    with pytest.MonkeyPatch.context() as patch:
        yield Table(tmp_path_factory.mktemp("crash"), furnish, patch)


@pytest.mark.parametrize("name", SCENARIOS)
def test_f45_killed_at_every_store_call(table: Table, name: str) -> None:
    scenario = SCENARIOS[name]
    points = 0
    for at in count(1):
        table.reset(scenario)
        if not table.crash(scenario, at):
            break
        table.recover(scenario, f"killed at call {at}")
        points = at
    print(f"{name}: {points} points")
    assert points > 30
