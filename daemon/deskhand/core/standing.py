"""The unfinished tasks of a log, folded up from a snapshot and the records after it, for whoever checks a picture of
them.  The engine's own book holds more; both rest on ``core.replay``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from deskhand.core.record import Record
from deskhand.core.replay import TARGETS, apply
from deskhand.core.task import Task


class _Snapshot(Struct):
    tasks: dict[str, Task] = field(default_factory=dict)


def fold(snapshot: bytes | None, records: Iterable[Record]) -> dict[str, Task]:
    """Key -> every task that is unfinished or undelivered after *records*.

    ValueError when the snapshot is none; IllegalMove, which is one, when a record does not fit what was before it.
    """
    try:
        tasks = {} if snapshot is None else msgspec.json.decode(snapshot, type=_Snapshot).tasks
    except msgspec.MsgspecError as error:
        raise ValueError(f"the snapshot of unfinished tasks is not understood: {error}") from error
    for record in records:
        if record.type not in TARGETS:
            continue
        key = str(record.fields.get("task"))
        task = apply(tasks.get(key), record.type, record.fields, record.seq, record.ts)
        if task.terminal and not task.undelivered:
            tasks.pop(key, None)
        else:
            tasks[key] = task
    return tasks


def counts(tasks: Iterable[Task]) -> dict[str, int]:
    """State -> how many of *tasks* are in it."""
    return dict(Counter(str(task.state) for task in tasks))
