"""Judging queues and what is stuck."""

from __future__ import annotations

import pytest

from deskhand.core.health import Verdict
from deskhand.core.settings import Health
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.operations.health_work import SLACK, Overdue, Work, doubt, queue, stuck, work_of
from deskhand.testing.sample_log import ZERO

NOW = 1_790_000_000.0
LIMITS = Health()


def task(number: int, state: State, age: float, next_at: float = 0.0) -> Task:
    """A task that came into *state* *age* seconds ago."""
    since = NOW - age
    return Task(
        key=f"20260921-140000-aaaaa{'abcdefgh'[number]}",
        state=state,
        tn=1,
        seq=number,
        first_seq=number,
        since=since,
        received=since,
        next_at=next_at,
        task_sha256=ZERO,
        input_sha256=ZERO,
    )


def work(*found: Task, paused: str = "no") -> Work:
    tasks = Tasks()
    for each in found:
        tasks[each.key] = each
    return work_of(tasks, NOW, paused, lambda task: 600.0)


def test_what_tasks_are_at() -> None:
    found = work(
        task(0, State.READY, 50, next_at=NOW + 60),  # its time has not come
        task(1, State.READY, 40),
        task(2, State.RETRY, 90, next_at=NOW - 10),
        task(3, State.STARTED, 600 + SLACK - 1),
        task(4, State.STARTED, 600 + SLACK + 1),
        task(5, State.WAITING, 9000),
    )
    assert found.counts == {"ready": 2, "retry": 1, "started": 2, "waiting": 1}
    assert found.oldest["ready"] == NOW - 50 and found.oldest["waiting"] == NOW - 9000
    assert found.due_since == NOW - 40
    assert [each.key[-1] for each in found.overdue] == ["e"]
    assert work(task(0, State.READY, 50, next_at=NOW + 60)).due_since is None


def test_a_queue_that_is_too_deep_is_degraded() -> None:
    found = Work(counts={"ready": 3}, oldest={"ready": NOW - 7200})
    assert queue(found, LIMITS, NOW).verdict is Verdict.OK
    assert "3 ready (oldest 2 h)" in queue(found, LIMITS, NOW).reason
    assert queue(found, Health(queue_depth=2), NOW).verdict is Verdict.DEGRADED
    assert queue(Work(), LIMITS, NOW).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("found", "stalled", "verdict", "said"),
    [
        (Work(), (), Verdict.OK, "nothing waits too long"),
        (Work(), None, Verdict.OK, "nothing waits too long"),
        (Work(overdue=(Overdue("20260921-140000-aaaaaa", NOW - 720, 600),)), (), Verdict.DOWN, "for 2 min"),
        (Work(due_since=NOW - 3599), (), Verdict.OK, ""),
        (Work(due_since=NOW - 7300), (), Verdict.DEGRADED, "could have been started for 2 h"),
        (Work(due_since=NOW - 7300, paused="all"), (), Verdict.DEGRADED, "is paused"),
        (Work(), ("big.iso",), Verdict.DEGRADED, "1 drop still being written"),
    ],
)
def test_what_is_stuck(found: Work, stalled: tuple[str, ...] | None, verdict: Verdict, said: str) -> None:
    check = stuck(found, stalled, LIMITS, NOW)
    assert check.verdict is verdict and said in check.reason
    assert (check.fix is None) == (verdict is Verdict.OK)
    assert "big.iso" not in check.reason  # names do not go on record
    assert not stalled or check.detail == "big.iso"


def test_doubt_is_a_persons_matter() -> None:
    assert doubt(Work()).verdict is Verdict.OK
    assert doubt(Work(counts={"in_doubt": 2})).verdict is Verdict.DEGRADED
