"""A desk's tasks as the audit log had them at one record, whatever it says since.  Read only, in any thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from deskhand.core.record import Record, decode
from deskhand.core.task import Task
from deskhand.core.tasks import Tasks
from deskhand.engine.ledger import Book, book_of
from deskhand.store.audit_replay import replay
from deskhand.store.head import Head
from deskhand.store.segments import batches, scan

_RECEIVED = b'"type":"task.received"'


class AtHead(Struct, frozen=True):
    """What the log says at its head."""

    tasks: Tasks
    """Key -> every task that is unfinished or undelivered."""
    ended: dict[str, Task]
    """Key -> task that ended since the last snapshot: its files may not be where they belong yet."""

    @property
    def counts(self) -> dict[str, int]:
        """State -> how many unfinished tasks are in it."""
        return dict(Counter({str(state): count for state, count in self.tasks.counts.items() if count}))


class Follower:
    """Reads the log up to a head, and later on from there: what is read again is only what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._book = Book()
        self._ended: dict[str, Task] = {}
        self._at: Head | None = None

    def to(self, head: Head) -> AtHead:
        """The tasks at *head*.  IntegrityError when the log cannot be trusted, OSError from the disk."""
        if self._at is None or head.seq < self._at.seq:
            snapshot, records = replay(self._folder, head)
            self._book, self._ended = Book() if snapshot is None else book_of(snapshot), {}
        else:
            records = _between(self._folder, self._at, head)
        for record in records:
            moved = self._book.take(record)
            if moved is not None and moved[1].key not in self._book.tasks:
                self._ended[moved[1].key] = moved[1]
        self._at = head
        return AtHead(self._book.tasks, self._ended)


def _between(folder: Path, start: Head, end: Head) -> Iterator[Record]:
    """The records after *start* up to *end*; whoever verifies the copy checks their chain."""
    for segment in scan(folder).segments:
        if start.seq < segment.first_seq <= end.seq or segment.name == start.file:
            offset = start.offset if segment.name == start.file else 0
            for batch in batches(segment.path, offset, end.offset if segment.name == end.file else segment.size):
                yield from map(decode, batch)


def received_since(folder: Path, head: Head) -> set[str]:
    """Keys of the tasks that came on record after *head*, as far as anything is written.  OSError from the disk."""
    found: set[str] = set()
    for segment in scan(folder).segments:
        if segment.first_seq <= head.seq and segment.name != head.file:
            continue
        for batch in batches(segment.path, head.offset if segment.name == head.file else 0):
            for line in batch:
                if _RECEIVED in line and line.endswith(b"\n"):
                    found.add(str(decode(line).fields.get("task")))
    return found
