"""Packing closed files of the log: which ones may be packed, and doing it so that nothing is lost at any moment.

Rules: never the newest file, nor one that the next start has to read; what is packed must be what the following file
says it closed.  A packed file gets its name only after it was read back and compared byte for byte, and is durable
then; the plain one is removed in a step of its own (:func:`retire`), after the log says what was packed.  A crash
leaves the plain file, or the packed one, or both, and the next call goes on from there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from deskhand.errors import IntegrityError, StoreError
from deskhand.store import packed
from deskhand.store.audit_replay import read_snapshot
from deskhand.store.files import Files, FsyncError
from deskhand.store.head import read_head
from deskhand.store.segments import Segment, open_raw, packed_path, scan

OPERATION = "packing the audit log"
_BLOCK = 1 << 20
_HINT = "run `deskhand audit verify` for what is wrong"


class Packed(Struct, frozen=True):
    """What was packed, as the log records it."""

    name: str
    """Of the plain file."""
    bytes: int
    sha256: str
    packed_bytes: int
    packed_sha256: str


class _Closed(Struct, frozen=True):
    """A closed file, with what the one behind it says of it."""

    segment: Segment
    bytes: object
    sha256: object
    at: float
    """When it was closed, epoch seconds."""


def candidates(folder: Path, before: float) -> list[Segment]:
    """The plain files that were closed before *before* (epoch seconds) and may be packed, oldest first.

    OSError when the folder cannot be read.
    """
    return [one.segment for one in _closed(folder) if one.at < before and not one.segment.packed]


def _closed(folder: Path) -> list[_Closed]:
    """The files that no start reads, and neither a crash now would make one read."""
    segments = scan(folder).segments
    head, _ = read_head(folder)
    if head is None:
        return []
    needed = next((i for i, segment in enumerate(segments) if segment.name == head.file), 0)
    while needed > 0 and read_snapshot(segments[needed]) is None:
        needed -= 1
    return [
        _Closed(segment, after.fact("bytes"), after.fact("sha256"), after.opening.ts)
        for segment, after in pairwise(segments[: needed + 1])
        if after.opening is not None and after.fact("previous") == segment.name
    ]


def pack(files: Files, path: Path, stop: Callable[[], bool] = lambda: False) -> Packed | None:
    """Make the packed form of the closed plain file at *path*, durably; the plain one stays.

    None when it may not be packed (any more), or *stop* said so in the middle.  IntegrityError when it is not the file
    that was closed, StoreError when the disk refuses.
    """
    one = next((one for one in _closed(path.parent) if one.segment.path == path), None)
    if one is None or one.segment.size >= packed.LIMIT:
        return None
    partial = path.with_name(f".deskhand-{path.name}{packed.SUFFIX}.tmp")
    try:
        files.unlink(partial)
        return _pack(files, one, partial, stop)
    except FsyncError:
        raise
    except OSError as error:
        with suppress(OSError):
            files.unlink(partial)
        if error.errno == errno.ECANCELED:
            return None
        raise StoreError(OPERATION, error.strerror or str(error), path=path, hint="it is tried again") from error


def _pack(files: Files, one: _Closed, partial: Path, stop: Callable[[], bool]) -> Packed:
    path = one.segment.path
    with open_raw(path) as plain:
        mode = os.fstat(plain.fileno()).st_mode & 0o777
        source = packed.Packing(cast(BinaryIO, _Stoppable(plain, stop)))
        files.copy(cast(BinaryIO, source), partial, limit=2 * packed.LIMIT, mode=mode)
    found = Packed(
        path.name, source.plain_bytes, source.plain.hexdigest(), source.packed_bytes, source.packed.hexdigest()
    )
    if (found.bytes, found.sha256) != (one.bytes, one.sha256):
        files.unlink(partial)
        raise IntegrityError(OPERATION, "it is not the file that was closed", path=path, hint=_HINT)
    if not _same(path, partial, stop):
        files.unlink(partial)
        raise IntegrityError(OPERATION, "what was packed does not unpack to the same bytes", path=path, hint=_HINT)
    # One that stands there is what an earlier call made before a crash, or damaged: the plain file still counts.
    files.replace(partial, packed_path(path))
    files.fsync_folder(path.parent)
    return found


class _Stoppable:
    def __init__(self, stream: BinaryIO, stop: Callable[[], bool]) -> None:
        self._stream = stream
        self._stop = stop

    def read(self, size: int) -> bytes:
        if self._stop():
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        return self._stream.read(size)


def _same(plain: Path, partial: Path, stop: Callable[[], bool]) -> bool:
    """Whether *partial* unpacks to exactly the bytes of *plain*."""
    try:
        with open_raw(plain) as one, open(partial, "rb", buffering=0) as raw:
            other = packed.unpack(cast(BinaryIO, raw), partial, _BLOCK)
            left = _Stoppable(one, stop)
            while True:
                block = left.read(_BLOCK)
                if block != other.read(_BLOCK):
                    return False
                if not block:
                    return True
    except IntegrityError:
        return False


def retire(files: Files, path: Path) -> None:
    """Remove the plain file at *path*, of which the log says that it was packed.  OSError when the disk refuses."""
    if packed_path(path).is_file():
        files.unlink(path)
