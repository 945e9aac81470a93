"""A small log with whole task histories, for tests of everything that reads or writes one."""

from __future__ import annotations

from pathlib import Path

from deskhand.core.record import Draft
from deskhand.core.replay import stamp_task
from deskhand.core.state import State
from deskhand.core.task import Task
from deskhand.store.audit_log import AuditLog
from deskhand.store.files import Files
from deskhand.testing.clock import FakeClock

ZERO = "0" * 64
_PIN = {"id": "note", "version": 1, "sha256": ZERO}
_RECEIVED = {"task_sha256": ZERO, "input_sha256": ZERO, "input_bytes": 3, "inbox": "watch_inbox"}
HISTORY: tuple[tuple[str, dict[str, object]], ...] = (
    ("task.received", _RECEIVED),
    ("task.ready", {"recipe": _PIN, "priority": 0}),
    ("task.waiting", {"digest": ZERO, "revision": 1, "expires": None, "reason": "it leaves the désk"}),
    ("task.approved", {"digest": ZERO, "revision": 1, "via": "rename"}),
    ("task.started", {"attempt": 1, "recipe": _PIN}),
    ("task.retry", {"attempt": 1, "next_at": 1.5, "exit": 1}),
    ("task.started", {"attempt": 2, "recipe": _PIN}),
    ("task.completed", {"attempt": 2, "exit": 0, "results": [], "deliver": True}),
    ("task.delivered", {"targets": []}),
)
"""Every record of one task that has seen most states: type and fields."""


def begin(folder: Path, clock: FakeClock, files: Files | None = None) -> AuditLog:
    """A log with its genesis."""
    return AuditLog.create(
        files or Files(), folder, clock=clock, origin={"host": "test"}, desk="/somewhere/desk", version="0"
    )


def key(number: int) -> str:
    """The key of the task with that number."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    tail = "".join(letters[number // 32**place % 32] for place in range(5, -1, -1))
    return f"20260101-000000-{tail}"


def append_task(log: AuditLog, number: int, upto: int = len(HISTORY)) -> list[int]:
    """Append the first *upto* records of a task's history; their sequence numbers.  Nothing is committed."""
    task: Task | None = None
    written: list[int] = []
    for kind, fields in HISTORY[:upto]:
        draft = Draft(kind, {"actor": {"kind": "daemon", "via": "tick"}, **fields})
        stamped = stamp_task(task, key(number), draft)
        seq = log.append(stamped)
        written.append(seq)
        task = Task(
            key=key(number),
            state=State(stamped.fields["to"]),
            tn=stamped.fields["tn"],
            seq=seq,
            first_seq=written[0],
            since=0.0,
            received=0.0,
            task_sha256=ZERO,
            input_sha256=ZERO,
        )
    return written


def three_days(folder: Path, clock: FakeClock) -> AuditLog:
    """A log over three segments with two tasks in each, committed."""
    log = begin(folder, clock)
    for day in range(3):
        if day:
            clock.advance(86_400)
            log.rotate(b'{"day":%d}' % day, unfinished=0)
        append_task(log, 2 * day)
        append_task(log, 2 * day + 1)
        log.commit()
    return log
