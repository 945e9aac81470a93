"""The audit log's files: their names, their order, and their raw lines.

A segment is a day's file, ``audit_YYYY-MM-DD.jsonl`` (UTC); when that has become long, or the date comes back,
``audit_YYYY-MM-DD_2.jsonl`` and so on.  Order is that of the sequence numbers in the first lines, never of the names.
An old one may be packed (``audit_YYYY-MM-DD.jsonl.gz``); name, size and lines are those of its content all the same,
and while both stand there the plain one counts.
Read only: nothing here changes the disk, and nothing here judges more than a first line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from deskhand.core.chain import Link, claim
from deskhand.core.record import MAX_LINE, Record, decode, timestamp
from deskhand.errors import IntegrityError
from deskhand.store import packed

SEGMENT_NAME = re.compile(r"audit_(\d{4}-\d\d-\d\d)(?:_([1-9]\d*))?\.jsonl\Z")
SNAPSHOT_NAME = re.compile(r"snapshot_([1-9]\d*)\.json\Z")
OPENING_TYPES = ("log.genesis", "segment.open")
_BATCH = 256
_BUFFER = 1 << 18


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log, as its first line and its size describe it."""

    path: Path
    """The file that stands there, plain or packed."""
    size: int
    """Bytes of its content."""
    first_seq: int
    prev: str
    """Hash of the line before its first one."""
    opening: Record | None
    """The first line; None when it continues the chain but cannot be read as a record."""

    @property
    def packed(self) -> bool:
        """Whether it is packed."""
        return self.path.suffix == packed.SUFFIX

    @property
    def name(self) -> str:
        """The name of the plain file, whether that is packed or not."""
        return self.path.stem if self.packed else self.path.name

    @property
    def start(self) -> Link:
        """The link that its first line continues."""
        return Link(self.first_seq - 1, self.prev)

    def fact(self, name: str) -> object:
        """A field of the opening record; None when there is none."""
        return None if self.opening is None else self.opening.fields.get(name)


@dataclass(frozen=True, slots=True)
class Listing:
    """Every file of the log in a folder."""

    segments: tuple[Segment, ...]
    """In order of their sequence numbers."""
    damaged: tuple[tuple[Path, str], ...]
    """Files that are named like a segment but do not begin like one, and why."""


def day_of(now: float) -> str:
    """The UTC date of epoch seconds, ``YYYY-MM-DD``."""
    return timestamp(now)[:10]


def day_number(name: str) -> int:
    """Days from 1970-01-01 to the date in a segment's name; -1 when it is no such name."""
    found = SEGMENT_NAME.match(name)
    return -1 if found is None else date.fromisoformat(found[1]).toordinal() - date(1970, 1, 1).toordinal()


def free_name(folder: Path, now: float) -> str:
    """The name of the next segment for a day: the first one that is not taken."""
    day, part = day_of(now), 1
    while True:
        name = f"audit_{day}.jsonl" if part == 1 else f"audit_{day}_{part}.jsonl"
        if not os.path.lexists(folder / name) and not os.path.lexists(packed_path(folder / name)):
            return name
        part += 1


def packed_path(plain: Path) -> Path:
    """Where the segment at *plain* stands when it is packed."""
    return plain.with_name(plain.name + packed.SUFFIX)


def names(folder: Path) -> list[str]:
    """Names of all segments in *folder*, packed ones included, sorted; empty when there is no such folder."""
    return sorted(_standing(folder))


def _standing(folder: Path) -> dict[str, Path]:
    """Name of each segment -> the file that counts."""
    found: dict[str, Path] = {}
    try:
        there = os.listdir(folder)
    except FileNotFoundError:
        return found
    for file in there:
        name = file.removesuffix(packed.SUFFIX)
        if SEGMENT_NAME.match(name) and (name == file or name not in found):
            found[name] = folder / file
    return found


def scan(folder: Path) -> Listing:
    """Read the first line of every segment in *folder*.  OSError when a file cannot be read."""
    good: list[Segment] = []
    damaged: list[tuple[Path, str]] = []
    for _, path in sorted(_standing(folder).items()):
        found = _describe(path)
        if isinstance(found, Segment):
            good.append(found)
        else:
            damaged.append((path, found))
    return Listing(tuple(sorted(good, key=lambda segment: (segment.first_seq, segment.name))), tuple(damaged))


def _describe(path: Path) -> Segment | str:
    try:
        with open_raw(path, MAX_LINE) as stream:
            line = stream.readline(MAX_LINE)
            size = _size(path, stream)
    except FileNotFoundError:
        if path.suffix == packed.SUFFIX or not packed_path(path).exists():
            raise
        return _describe(packed_path(path))
    except IntegrityError as error:
        return error.cause
    says = claim(line)
    if says is None or not line.endswith(b"\n"):
        return "its first line is no line of the log" if line else "the file is empty"
    try:
        opening: Record | None = decode(line)
    except ValueError:
        opening = None
    return Segment(path, size, says.seq, says.prev, opening)


def _size(path: Path, stream: BinaryIO) -> int:
    if path.suffix != packed.SUFFIX:
        return os.fstat(stream.fileno()).st_size
    with _open(path, 0) as raw:
        return packed.content_size(raw)


def _open(path: Path, buffering: int) -> BinaryIO:
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0)
    return open(path, "rb", buffering=buffering, opener=lambda name, _: os.open(name, flags))


def open_raw(path: Path, buffer: int = _BUFFER) -> BinaryIO:
    """Open a file of the log for reading its lines; a symbolic link or a pipe in its place is refused (OSError).

    A plain one that was packed since it was listed is found packed.  Reading a packed one raises IntegrityError when
    it is damaged.
    """
    if path.suffix != packed.SUFFIX:
        try:
            return _open(path, buffer)
        except FileNotFoundError:
            path = packed_path(path)
            if not path.exists():
                raise
    return packed.unpack(_open(path, 0), path, buffer)


def batches(path: Path, start: int = 0, end: int | None = None) -> Iterator[list[bytes]]:
    """The raw lines between two byte offsets (default: the whole file), LF included, in lists of at most 256.

    What is not a whole line comes as it is: the last piece may lack its LF, and a line longer than the format allows
    comes in pieces.
    """
    with open_raw(path) as stream:
        stream.seek(start)
        read = iter(partial(stream.readline, MAX_LINE), b"")
        while lines := list(islice(read, _BATCH)):
            too_far = 0 if end is None else stream.tell() - end
            if too_far > 0:
                lines = _without(lines, too_far)
            if lines:
                yield lines
            if too_far >= 0 and end is not None:
                return


def _without(lines: list[bytes], excess: int) -> list[bytes]:
    """*lines* without their last *excess* bytes."""
    while lines and excess >= len(lines[-1]):
        excess -= len(lines.pop())
    if excess and lines:
        lines[-1] = lines[-1][:-excess]
    return lines
