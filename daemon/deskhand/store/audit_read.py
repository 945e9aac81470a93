"""Reading the log for people: the last records, a selection, and following it while it grows.

Read only, beside a live daemon: a last line without its LF is not there yet.  Nothing here verifies; ``audit verify``
does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from deskhand.core.names import is_id, key_of
from deskhand.core.record import Record, decode, line_hash
from deskhand.store.head import read_head
from deskhand.store.segments import Segment, batches, scan

Wait = Callable[[], bool]
"""Called when nothing new is there; returns when it is worth looking again, False to end."""


class Line(Struct, frozen=True):
    """One line of the log and where it stands."""

    file: str
    number: int
    """From 1."""
    raw: bytes
    """LF included."""

    @property
    def record(self) -> Record | None:
        """The record, read now; None when the line is none."""
        try:
            return decode(self.raw)
        except ValueError:
            return None


class Filter(Struct, frozen=True):
    """Which records are wanted; every condition that is given must hold."""

    since: float | None = None
    """Epoch seconds."""
    type: str | None = None
    """Glob on the type, such as `task.*`."""
    task: str | None = None
    """Task id, key, or the beginning or end of a key."""
    actor: str | None = None
    """Glob on the actor's user, uid, kind or via."""

    @property
    def needle(self) -> bytes:
        """What every wanted line contains: most lines need not be read to know that they are not wanted."""
        return b"" if self.task is None else _key(self.task).encode("utf-8", "surrogatepass")

    def wants(self, record: Record) -> bool:
        """Whether *record* meets every condition."""
        if self.since is not None and record.ts < self.since:
            return False
        if self.type is not None and not fnmatchcase(record.type, self.type):
            return False
        return self._wants_task(record.fields.get("task")) and self._wants_actor(record.fields.get("actor"))

    def _wants_task(self, key: object) -> bool:
        if self.task is None:
            return True
        wanted = _key(self.task)
        return isinstance(key, str) and (key.endswith(wanted) or key.startswith(wanted))

    def _wants_actor(self, actor: object) -> bool:
        if self.actor is None:
            return True
        if not isinstance(actor, dict):
            return False
        said = (actor.get(name) for name in ("user", "uid", "kind", "via"))
        return any(value is not None and fnmatchcase(str(value), self.actor) for value in said)


def _key(task: str) -> str:
    return key_of(task) if is_id(task) else task


EVERYTHING = Filter()


def lines(folder: Path, wanted: Filter = EVERYTHING) -> Iterator[Line]:
    """Every wanted line in order.  OSError when a file cannot be read."""
    for segment in scan(folder).segments:
        for line in _lines_of(segment, 0, 0):
            if _selected(line, wanted):
                yield line


def last(folder: Path, count: int, wanted: Filter = EVERYTHING) -> list[Line]:
    """The last *count* wanted lines, oldest first; older files are read only when the newer ones have too few."""
    found: list[Line] = []
    for segment in reversed(scan(folder).segments):
        if len(found) >= count:
            break
        room = count - len(found)
        found[:0] = deque((line for line in _lines_of(segment, 0, 0) if _selected(line, wanted)), maxlen=room)
    return found


def since(folder: Path, moment: float) -> Iterator[bytes]:
    """Every raw line since *moment* (epoch seconds), and some before it, up to the log's head.  OSError as `lines`."""
    head, _ = read_head(folder)
    segments = scan(folder).segments
    opened = [0.0 if segment.opening is None else segment.opening.ts for segment in segments]
    first = max((index for index, at in enumerate(opened) if at <= moment), default=0)
    for segment in segments[first:]:
        last_one = head is not None and segment.name == head.file
        for batch in batches(segment.path, 0, head.offset if head is not None and last_one else None):
            yield from (line for line in batch if line.endswith(b"\n"))
        if last_one:
            return


def follow(folder: Path, wait: Wait, wanted: Filter = EVERYTHING, *, after: Line | None = None) -> Iterator[Line]:
    """Wanted lines as they are written, from behind *after* (default: from now on), over changes of day."""
    place = _place_behind(folder, after)
    while True:
        newer = _segment_at(folder, place)
        for line in _lines_of(place.segment, place.offset, place.number):
            place = place.behind(line)
            if _selected(line, wanted):
                yield line
        # What was closed is complete: `newer` was seen before the rest was read.
        if newer is not None:
            place = _Place(newer, 0, 0)
        elif not wait():
            return


def hash_at(folder: Path, seq: int) -> str | None:
    """Hash of the raw line of record *seq*; None when it is not here."""
    holder = [segment for segment in scan(folder).segments if segment.first_seq <= seq]
    if not holder:
        return None
    left = seq - holder[-1].first_seq
    for batch in batches(holder[-1].path):
        if left < len(batch):
            return line_hash(batch[left]) if batch[left].endswith(b"\n") else None
        left -= len(batch)
    return None


class _Place(Struct, frozen=True):
    segment: Segment
    offset: int
    number: int

    def behind(self, line: Line) -> _Place:
        return _Place(self.segment, self.offset + len(line.raw), self.number + 1)


def _place_behind(folder: Path, after: Line | None) -> _Place:
    segments = scan(folder).segments
    if not segments:
        raise FileNotFoundError(2, "there is no audit log", str(folder))
    if after is None:
        chosen = segments[-1]
        number = sum(1 for _ in _lines_of(chosen, 0, 0))
    else:
        chosen = next(segment for segment in segments if segment.name == after.file)
        number = after.number
    offset, left = 0, number
    for line in _lines_of(chosen, 0, 0):
        if left == 0:
            break
        offset, left = offset + len(line.raw), left - 1
    return _Place(chosen, offset, number)


def _segment_at(folder: Path, place: _Place) -> Segment | None:
    """The segment that follows on the one at *place*; None while that is the newest."""
    later = [segment for segment in scan(folder).segments if segment.first_seq > place.segment.first_seq]
    return later[0] if later else None


def _lines_of(segment: Segment, offset: int, number: int) -> Iterator[Line]:
    for batch in batches(segment.path, offset):
        for raw in batch:
            if not raw.endswith(b"\n"):
                return
            number += 1
            yield Line(segment.name, number, raw)


def _selected(line: Line, wanted: Filter) -> bool:
    if wanted == EVERYTHING:
        return True
    if wanted.needle not in line.raw:
        return False
    record = line.record
    return record is not None and wanted.wants(record)
