"""Rows 45, 47, 48 and 49: killed, or failed, at every single call that changes the disk.

Each point is a desk of its own: it lives until the call, in a process that really ends there, and again on a healthy
disk until nothing is left to do.  Then every drop must have come to its one end, delivered once, and I1-I7 hold.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskhand.core.state import State
from deskhand.store import skeleton
from deskhand.store.desk import Desk
from deskhand.store.files import Files
from tests.support.crash import Table
from tests.support.crash_files import ERRNOS
from tests.support.fault_desk import FaultBench
from tests.support.forks import spread
from tests.support.scenario import Scenario

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and names descriptors through /proc"),
]
S = State
DONE = frozenset({S.COMPLETED})
RESULT = b"the result\n"
SYNCS = ("fsync", "fdatasync")
SLACK = 4
"""Calls by which two lives of the same scenario may differ (what threads do is not always batched alike)."""
SEED = int(os.environ.get("DESKHAND_FAULT_SEED") or random.SystemRandom().randrange(10**6))
POINTS = int(os.environ.get("DESKHAND_FAULT_POINTS") or 60)
AGAIN = f"DESKHAND_FAULT_SEED={SEED} DESKHAND_FAULT_POINTS={POINTS} pytest -m faults tests/faults/test_crash_points.py"
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
            since="/partial/",
        ),
        Scenario(
            "folder",
            {"archive/trip/a.txt": b"a", "archive/trip/deep/b.txt": b"b"},
            {"trip": DONE},
            {"archive/*/*/trip*/a.txt": (b"a", 1, 1), "archive/*/*/trip*/deep/b.txt": (b"b", 1, 1)},
            since="/claimed/",
        ),
        Scenario(
            "approve",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": DONE},
            {"outbox/letter*": (b"dear you\n", 1, 1)},
            {S.WAITING: "approved"},
            since="/.requests/",
        ),
        Scenario(
            "reject",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.REJECTED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "rejected"},
            since="unlink",
        ),
        Scenario(
            "cancel",
            {"hand-over/letter.txt": b"dear you\n"},
            {"letter.txt": frozenset({S.CANCELLED})},
            {"outbox/*": (b"", 0, 0)},
            {S.WAITING: "cancel"},
            since="unlink",
        ),
        Scenario(
            "retry",
            {"work/job.txt": b"a job\n"},
            {"job.txt": DONE},
            {"made/result*": (RESULT, 1, 1)},
            plan=("failed", "ok"),
            since="/.work/",
        ),
        Scenario(
            "in doubt, run again",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/result*": (RESULT, 1, 1)},
            {S.IN_DOUBT: "approved"},
            plan=("cut", "ok"),
            since="/.work/",
        ),
        Scenario(
            "in doubt, it happened",
            {"once/pay.txt": b"pay\n"},
            {"pay.txt": DONE},
            {"paid/*": (b"", 0, 0)},
            {S.IN_DOUBT: "happened"},
            plan=("cut",),
            since="/.requests/",
        ),
        Scenario(
            "midnight",
            {"archive/early.txt": b"early\n", "hand-over/asked.txt": b"asked\n"},
            {"early.txt": DONE, "asked.txt": frozenset({S.WAITING}), "late.txt": DONE},
            {"archive/*/*/early*": (b"early\n", 1, 1), "archive/*/*/late*": (b"late\n", 1, 1)},
            start=MIDNIGHT - 2,
            late={"archive/late.txt": b"late\n"},
            late_at=10,
            since="/.requests/",
        ),
    )
}


def furnish(desk: Desk) -> None:
    """A desk with a recipe that may be repeated, one that may not, and one that asks."""
    bench = FaultBench(desk.root.parent)
    retry = {"attempts": 9, "backoff": "1s"}
    bench.bless("work", "command", argv=["work"], idempotent=True, retry=retry, deliver="made/{name}")
    bench.bless("once", "command", argv=["once"], idempotent=False, deliver="paid/{name}")
    bench.bless("asked", "command", argv=["asked"], idempotent=True, approval="required")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Table]]:
    """Desks that are put back to their beginning for every point, one per core."""
    with pytest.MonkeyPatch.context() as patch:
        yield [Table(tmp_path_factory.mktemp("crash"), furnish, patch) for _ in range(min(4, os.cpu_count() or 1))]


def first(scenario: Scenario, calls: list[str]) -> int:
    """Number of the first call that is this scenario's own."""
    return next(number for number, call in enumerate(calls, 1) if scenario.since in call)


@pytest.mark.parametrize("name", SCENARIOS)
def test_f45_killed_at_every_store_call(tables: list[Table], name: str) -> None:
    scenario = SCENARIOS[name]
    calls = tables[0].calls(scenario)
    points = range(first(scenario, calls), len(calls) + 1)

    def point(table: Table, at: int) -> None:
        table.reset(scenario)
        crashed = table.crash(scenario, at)
        assert crashed or at > len(calls) - SLACK, f"{name}: there was no call {at}"
        table.recover(scenario, f"killed at call {at}")

    spread(tables, points, point)
    print(f"{name}: {len(points)} points, killed at each")


def test_f45_killed_while_a_new_desk_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(tmp_path, lambda desk: print(len(skeleton.write(Files(), desk.root))), monkeypatch)
    scenario = SCENARIOS["keep"]
    calls = table.calls(scenario)
    points = next(number for number, call in enumerate(calls, 1) if "/claimed/" in call)
    for at in range(1, points):
        table.reset(scenario)
        assert table.crash(scenario, at)
        table.recover(scenario, f"killed at call {at} of a new desk")
    print(f"a new desk: {points - 1} points, killed at each")


def test_f47_killed_up_to_four_times_in_a_row(tables: list[Table]) -> None:
    """After each crash the next life ends early, mostly while it recovers."""
    dice = random.Random(SEED)
    lives = {name: len(tables[0].calls(scenario)) for name, scenario in SCENARIOS.items()}
    names = sorted(lives)
    points = []
    for number in range(POINTS):
        name = names[number % len(names)]
        points.append(
            (name, [dice.randint(12, lives[name]), *(dice.randint(1, 45) for _ in range(dice.randint(1, 3)))])
        )

    def point(table: Table, sample: tuple[str, list[int]]) -> None:
        scenario = SCENARIOS[sample[0]]
        table.reset(scenario)
        life = 0
        for life, at in enumerate(sample[1]):
            if not table.crash(scenario, at, life):
                break
        table.recover(scenario, f"killed at calls {sample[1]}, each in the next life; again: {AGAIN}", life + 1)

    spread(tables, points, point)
    print(f"{len(points)} points, killed at {sum(len(sample[1]) for sample in points)} calls")


@pytest.mark.parametrize("name", ["keep", "approve", "retry"])
def test_f48_every_call_fails_once(tables: list[Table], name: str) -> None:
    """An error that passes: the same run of the daemon goes on by itself, or it ends and the next one does."""
    scenario = SCENARIOS[name]
    calls = tables[0].calls(scenario)
    points = []
    for at in range(first(scenario, calls), len(calls) + 1):
        numbers = (
            (errno.EIO,) if calls[at - 1].startswith(SYNCS) else (ERRNOS[at % len(ERRNOS)], ERRNOS[-1 - at // 2 % 7])
        )
        points += [(at, number) for number in numbers]

    def point(table: Table, sample: tuple[int, int]) -> None:
        table.reset(scenario)
        table.fail(scenario, *sample)
        table.recover(scenario, f"{errno.errorcode[sample[1]]} at call {sample[0]}")

    spread(tables, points, point)
    print(f"{name}: {len(points)} points, one error at each")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_f48_a_disk_that_refuses_for_a_while(tables: list[Table], number: int) -> None:
    scenario = SCENARIOS["approve"]
    calls = len(tables[0].calls(scenario))
    points = range(1 + number % 4, calls, 4)

    def point(table: Table, at: int) -> None:
        table.reset(scenario)
        table.fail(scenario, at, number, until=at + 15)
        table.recover(scenario, f"{errno.errorcode[number]} from call {at} on")

    spread(tables, points, point)
    print(f"{len(points)} points, fifteen errors from each")
