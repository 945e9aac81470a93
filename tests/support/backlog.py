"""A desk with very many files, or with tasks that wait: on record by the product's own code, without being taken in.

Most of the time goes into making files, so what has the same bytes everywhere is made once and linked under the other
names; a name more costs a fiftieth of a file more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from deskhand.core.clock import Clock
from deskhand.core.names import key_of
from deskhand.core.recipe import Pin
from deskhand.core.record import DAEMON, Draft
from deskhand.core.replay import apply, stamp_task
from deskhand.core.task import InputFile, Source, TaskFile, commitment
from deskhand.store.audit_log import AuditLog
from deskhand.store.desk import Desk
from deskhand.store.files import Files

BATCH = 4096
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_TEXT = b"hello\n"
_LINKS = 10_000
"""Names of one file; ext4 allows 65,000."""


class Unsynced(Files):
    """Nobody is going to cut the power."""

    def fsync(self, fd: int) -> None:
        """Not now."""

    def fdatasync(self, fd: int) -> None:
        """Not now."""


def linked(folder: Path, names: Iterable[str], data: bytes) -> None:
    """Make files of *data* in *folder*: to whoever lists them or asks for their sizes and times, as many as names."""
    first = ""
    for number, name in enumerate(names):
        if number % _LINKS:
            os.link(first, folder / name)
        else:
            first = os.path.join(folder, name)
            Path(first).write_bytes(data)


def ready(desk: Desk, clock: Clock, pin: Pin, count: int, *, not_before: float) -> None:
    """Put *count* tasks of *pin* into pending/ and on record, each ready and due at *not_before* (epoch seconds)."""
    linked(desk.folder("pending"), (f"{_identifier(number)}.in.txt" for number in range(count)), _TEXT)
    log = AuditLog.open(Unsynced(), desk.audit, clock=clock)
    try:
        for number in range(count):
            _append(log, _write(desk, clock.wall(), pin, number), pin, not_before)
            if number % BATCH == BATCH - 1:
                log.commit()
        log.commit()
    finally:
        log.close()


def _identifier(number: int) -> str:
    return "20250101-000000-due-" + "".join(_LETTERS[number // 32**place % 32] for place in range(5, -1, -1))


def _write(desk: Desk, now: float, pin: Pin, number: int) -> tuple[TaskFile, str]:
    identifier = _identifier(number)
    task_file = TaskFile(
        schema=1,
        id=identifier,
        name="due.txt",
        received=now,
        inbox="drop",
        kind="file",
        files=(InputFile("", hashlib.sha256(_TEXT).hexdigest(), len(_TEXT)),),
        salt="AAAAAAAAAAAAAAAAAAAAAA",
        source=Source(1, number, len(_TEXT), 1, 1),
        input=f"{identifier}.in.txt",
        pin=pin,
    )
    data = msgspec.json.encode(task_file)
    (desk.folder("pending") / f"{identifier}.task.json").write_bytes(data)
    return task_file, hashlib.sha256(data).hexdigest()


def _append(log: AuditLog, made: tuple[TaskFile, str], pin: Pin, not_before: float) -> None:
    task_file, sha256 = made
    key, actor, recipe = key_of(task_file.id), msgspec.to_builtins(DAEMON), msgspec.to_builtins(pin)
    facts = {
        "actor": actor,
        "task_sha256": sha256,
        "input_sha256": task_file.input_sha256,
        "input_bytes": task_file.input_bytes,
        "input_files": 1,
        "name_commit": commitment(task_file.salt, task_file.name),
        "params_commit": commitment(task_file.salt, "{}"),
        "source": msgspec.to_builtins(task_file.source),
        "inbox": task_file.inbox,
        "recipe": recipe,
        "priority": 0,
        "not_before": not_before,
    }
    received = stamp_task(None, key, Draft("task.received", facts))
    task = apply(None, received.type, received.fields, log.append(received), log.last_ts)
    log.append(stamp_task(task, key, Draft("task.ready", {"actor": actor, "recipe": recipe, "priority": 0})))
