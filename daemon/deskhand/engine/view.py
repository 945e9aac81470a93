"""A read-only look at a desk: what the log says about its tasks, and where their files are.

For the verbs that only read.  It takes no lock, writes nothing, and works beside a live daemon (it stops at the log's
head) as well as without one.  It folds the records up with the same ``Book`` that the engine uses, but verifies
nothing: that is ``audit verify``.  A task whose files were removed is still there; only its name is not known then.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import Struct

from deskhand.core.compatibility import NEWER, unknown
from deskhand.core.dependency import Waits
from deskhand.core.names import KEY_LENGTH, is_key, key_of, member
from deskhand.core.record import Record, decode
from deskhand.core.replay import TARGETS, IllegalMove, apply
from deskhand.core.state import STATE_FOLDERS, TERMINAL, State, place_of
from deskhand.core.task import Task, TaskFile
from deskhand.core.tasks import Tasks
from deskhand.engine.ledger import Book
from deskhand.errors import IntegrityError, StoreError
from deskhand.store import audit_read, task_files
from deskhand.store.audit_replay import read_snapshot
from deskhand.store.desk import Desk
from deskhand.store.head import Head, read_head
from deskhand.store.segments import Segment, batches, scan

_OPERATION = "reading the audit log"
_VERIFY = "deskhand audit verify names everything that is wrong"
_TASK = b'"task":"'
_DAEMON = ("daemon.started", "daemon.stopped")


class Place(Struct, frozen=True):
    """Where files of a task were found."""

    id: str
    folder: Path
    names: tuple[str, ...] = ()


class View:
    """The desk at one moment.  Use :func:`look`."""

    def __init__(self, desk: Desk, book: Book, *, complete_since: float | None, has_log: bool) -> None:
        self.desk = desk
        self.book = book
        self.ended: dict[str, Task] = {}
        """Key -> finished task, in the order of their ends, as far back as the view reaches."""
        self.complete_since = complete_since
        """Epoch seconds from which on every finished task is in ``ended``; None = from the beginning of the log."""
        self.has_log = has_log
        self.forgotten: dict[str, Record] = {}
        """Key -> the ``task.forgotten`` of a task, for those in reach."""
        self.daemon: Record | None = None
        """The last ``daemon.started`` or ``daemon.stopped`` in reach."""
        self._folders: dict[Path, dict[str, Place]] = {}
        self.last_record: float | None = None
        """Epoch seconds of the newest record in reach."""

    def take(self, record: Record) -> None:
        """Fold one record in."""
        moved = self.book.take(record)
        self.last_record = record.ts
        if record.type in _DAEMON:
            self.daemon = record
        if record.type == "task.forgotten":
            self.forgotten[str(record.fields["task"])] = record
        if moved is not None and moved[1].terminal:
            self.ended.pop(moved[1].key, None)
            if not moved[1].undelivered:
                self.ended[moved[1].key] = moved[1]

    @property
    def unfinished(self) -> Tasks:
        """Key -> task that is unfinished or undelivered."""
        return self.book.tasks

    def tasks(self) -> list[Task]:
        """Every task in reach, newest arrival first."""
        found = [*self.book.tasks.values(), *self.ended.values()]
        return sorted(found, key=lambda task: (task.received, task.first_seq), reverse=True)

    def task(self, key: str) -> Task | None:
        """One task, however old; None when the log does not know it.  IntegrityError when its records make no sense."""
        found = self.book.tasks.get(key) or self.ended.get(key)
        return found if found is not None else _folded(self.records(key))

    def records(self, key: str) -> list[Record]:
        """Every record about one task, in order."""
        wanted = audit_read.Filter(task=key)
        try:
            found = [line.record for line in audit_read.lines(self.desk.audit, wanted)]
        except OSError as error:
            raise _store_error(error, self.desk.audit) from error
        return [record for record in found if record is not None]

    def all_keys(self) -> dict[str, float]:
        """Key -> epoch seconds of its receipt, for every task of the whole log that is here."""
        wanted = audit_read.Filter(type="task.received")
        found: dict[str, float] = {}
        for line in audit_read.lines(self.desk.audit, wanted):
            record = line.record
            if record is not None:
                found[str(record.fields.get("task"))] = record.ts
        return found

    def ended_since(self, moment: float, states: Collection[State]) -> list[Task]:
        """The tasks that came to one of these ends at or after *moment* (epoch seconds), however far the view reaches.

        Lines are looked at as text first: a day with 100,000 tasks is not folded up to find a few.
        """
        found: dict[str, Task | None] = {str(record.fields["task"]): None for record in self._ends(moment, states)}
        if not found:
            return []
        wanted = {key.encode() for key in found}
        for line in audit_read.since(self.desk.audit, moment):
            at = line.find(_TASK) + len(_TASK)
            if line[at : at + KEY_LENGTH] in wanted:
                record = decode(line)
                if record.type not in TARGETS:
                    continue
                key = str(record.fields["task"])
                before = found.get(key)
                if before is not None or record.type == "task.received":
                    found[key] = apply(before, record.type, record.fields, record.seq, record.ts)
        # What was received earlier is looked for in the whole log.
        tasks = (self.task(key) if task is None else task for key, task in found.items())
        return [task for task in tasks if task is not None and task.state in states]

    def count_ended(self, moment: float, state: State) -> int:
        """How many tasks came to this end at or after *moment*, however far the view reaches."""
        return sum(1 for _ in self._ends(moment, {state}))

    def ends(self) -> dict[str, float]:
        """Key -> epoch seconds of its end, for every finished task of the whole log that is here."""
        return {str(record.fields["task"]): record.ts for record in self._ends(0.0, TERMINAL)}

    def _ends(self, moment: float, states: Collection[State]) -> Iterator[Record]:
        needles = [f'"type":"task.{state}"'.encode() for state in states]
        for line in audit_read.since(self.desk.audit, moment):
            if any(needle in line for needle in needles):
                record = decode(line)
                if record.ts >= moment:
                    yield record

    # -- files -------------------------------------------------------------------------------------------------

    @cached_property
    def places(self) -> dict[str, Place]:
        """Key -> where its files are now, for everything in the state folders."""
        found: dict[str, Place] = {}
        for folder in (self.desk.accepted, *(self.desk.folder(name) for name in STATE_FOLDERS)):
            for key, place in self._standing(folder).items():
                known = found.get(key)
                if known is None or len(place.names) > len(known.names):
                    found[key] = place
        return found

    def _standing(self, folder: Path) -> dict[str, Place]:
        """What stands in a folder; listed once, and only when it is asked for: some have 100,000 names."""
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = _in_folder(folder)
        return found

    @cached_property
    def _older(self) -> dict[str, Place]:
        """What was tidied away into ``completed/YYYY-MM-DD/``."""
        found: dict[str, Place] = {}
        for path in _folders_in(self.desk.folder("completed")):
            found.update(_in_folder(path))
        return found

    def place(self, key: str) -> Place | None:
        """Where a task's files are; None when nothing of it is found."""
        state = self.book.tasks.state(key)
        expected = None if state is None else self._standing(self.desk.folder(place_of(state))).get(key)
        return expected or self.places.get(key) or self._older.get(key)

    def identifier(self, key: str) -> str:
        """The id with its slug; the key itself when no file of the task is found."""
        place = self.place(key)
        return key if place is None else place.id

    def task_file(self, key: str) -> TaskFile | None:
        """The task's description, for display only; None when it is gone or cannot be read."""
        place = self.place(key)
        return None if place is None else task_files.peek(place.folder / f"{place.id}.task.json")

    def reason(self, task: Task) -> str | None:
        """Why it stands where it stands; for one that waits for others, as those stand now."""
        if task.state is not State.BLOCKED:
            return task.reason
        described = self.task_file(task.key)
        names = () if described is None else described.options.after
        return self._waits.why(task, self.book.labels, self._final, names) or task.reason

    def hopeless(self, task: Task) -> bool:
        """Whether a blocked task waits for what never comes by itself."""
        return self._waits.hopeless(task, self.book.labels, self._final)

    @cached_property
    def _waits(self) -> Waits:
        return Waits(self.book.tasks.values())

    def _final(self, key: str) -> str | None:
        found = self.task(key) if is_key(key) else None
        return None if found is None else found.state

    def submitted(self) -> list[str]:
        """Ids of what ``deskhand drop`` handed in and no daemon has taken yet, oldest first."""
        try:
            names = os.listdir(self.desk.dropped)
        except FileNotFoundError:
            return []
        known = {*self.book.tasks, *self.ended}
        return sorted(name for name in names if (key := _key(name)) is not None and key not in known)


def look(desk: Desk, *, since: float | None = None) -> View:
    """Read the log of *desk*: every unfinished task, and what finished in the newest day or since *since* (epoch s).

    A desk that has no log yet gives an empty view.  IntegrityError when the log cannot be read as one, StoreError when
    the disk refuses.
    """
    try:
        head, _ = read_head(desk.audit)
        segments = scan(desk.audit).segments
        if not segments:
            return View(desk, Book(), complete_since=None, has_log=False)
        start, snapshot = _start(segments, since, desk)
        view = View(
            desk,
            Book() if snapshot is None else Book.read(snapshot),
            complete_since=None if start.first_seq == 1 else _opened(start),
            has_log=True,
        )
        for record in _records(segments[segments.index(start) :], head):
            view.take(record)
    except OSError as error:
        raise _store_error(error, desk.audit) from error
    except (IllegalMove, KeyError, msgspec.MsgspecError) as error:
        raise IntegrityError(_OPERATION, f"a record makes no sense: {error}", path=desk.audit, hint=_VERIFY) from error
    return view


def _start(segments: tuple[Segment, ...], since: float | None, desk: Desk) -> tuple[Segment, bytes | None]:
    """The newest file from which everything wanted can be read; else the oldest from which anything can."""
    oldest: tuple[Segment, bytes | None] | None = None
    for segment in reversed(segments):
        snapshot = None if segment.first_seq == 1 else read_snapshot(segment)
        if snapshot is None and segment.first_seq != 1:
            continue
        oldest = segment, snapshot
        if since is None or _opened(segment) <= since:
            return oldest
    if oldest is None:
        cause = "no usable snapshot, and the log does not begin here"
        raise IntegrityError(_OPERATION, cause, path=desk.audit, hint="put the older files of the log back")
    return oldest


def _opened(segment: Segment) -> float:
    return 0.0 if segment.opening is None else segment.opening.ts


def _records(segments: tuple[Segment, ...], head: Head | None) -> Iterator[Record]:
    for segment in segments:
        last = head is not None and segment.name == head.file
        number = 0
        for batch in batches(segment.path, 0, head.offset if head is not None and last else None):
            for line in batch:
                if not line.endswith(b"\n"):
                    return
                number += 1
                try:
                    record = decode(line)
                except ValueError as error:
                    raise IntegrityError(
                        _OPERATION, f"line {number}: {error}", path=segment.path, hint=_VERIFY
                    ) from error
                if (newer := unknown(record)) is not None:
                    raise IntegrityError(_OPERATION, f"line {number}: {newer}", path=segment.path, hint=NEWER)
                yield record
        if last:
            return


def _folded(records: list[Record]) -> Task | None:
    task: Task | None = None
    for record in records:
        if record.type in TARGETS:
            try:
                task = apply(task, record.type, record.fields, record.seq, record.ts)
            except (IllegalMove, KeyError) as error:
                cause = f"record {record.seq} makes no sense: {error}"
                raise IntegrityError(_OPERATION, cause, hint=_VERIFY) from error
    return task


def _in_folder(folder: Path) -> dict[str, Place]:
    names: dict[str, list[str]] = {}
    try:
        entries = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for name in entries:
        part = member(name)
        if part is not None:
            names.setdefault(part.id, []).append(name)
    return {key_of(identifier): Place(identifier, folder, tuple(sorted(own))) for identifier, own in names.items()}


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.name[:2] == "20" and entry.is_dir()]
    except FileNotFoundError:
        return []


def _key(name: str) -> str | None:
    try:
        return key_of(name)
    except ValueError:
        return None


def _store_error(error: OSError, folder: Path) -> StoreError:
    return StoreError(_OPERATION, error.strerror or str(error), path=error.filename or folder)
