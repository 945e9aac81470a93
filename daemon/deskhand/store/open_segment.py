"""The one segment that is being written.

Rules: before every write the file under its name must be the one that is open, with exactly the size that was left;
a write that did not go through is cut off again; what counts is what ``fdatasync`` confirmed.  A reserve of disk space
is kept ahead of the end (the file's size does not show it), so that records still fit when the disk is full.
"""

from __future__ import annotations

import os
from pathlib import Path

from deskhand.errors import HeldError, StoreError
from deskhand.store.files import Files

RESERVE = 4 * 1024 * 1024
"""Bytes that are reserved ahead."""
RESERVE_LOW = 1024 * 1024
"""Bytes left of the reserve at which it is filled up."""
_OPERATION = "write the audit log"


class OpenSegment:
    """An open segment.  *size* is the number of bytes that are known to be good."""

    def __init__(self, files: Files, path: Path, fd: int, size: int) -> None:
        self.path = path
        self.size = size
        self.reserve_ok = True
        self.reserve_supported = True
        self._files = files
        self._fd = fd
        status = os.fstat(fd)
        self._identity = (status.st_dev, status.st_ino)
        self._reserved = 0
        self._ragged = False

    @classmethod
    def open(cls, files: Files, path: Path, size: int) -> OpenSegment:
        """Open an existing file; OSError when that is impossible."""
        return cls(files, path, open_for_writing(path), size)

    def append(self, data: bytes) -> None:
        """Write *data* behind the end and make it durable.

        Raises HeldError (somebody else changed the file), StoreError (nothing of *data* counts; try again later) or
        FsyncError (stop).
        """
        self.require_ours()
        try:
            self._files.pwrite(self._fd, data, self.size)
        except OSError as error:
            self._ragged = True
            self._cut_back()
            raise StoreError(
                _OPERATION, error.strerror or str(error), path=self.path, hint="make room or check the disk"
            ) from error
        self._files.fdatasync(self._fd)
        self.size += len(data)

    def ensure_reserve(self) -> None:
        """Fill the reserve up when it is low.  A disk that refuses is noted in ``reserve_ok``, never raised."""
        if not self.reserve_supported or self._reserved - self.size >= RESERVE_LOW:
            return
        try:
            self.reserve_supported = self._files.preallocate(self._fd, self.size, RESERVE)
        except OSError:
            self.reserve_ok = False
            return
        self.reserve_ok = True
        self._reserved = self.size + RESERVE

    def release_reserve(self) -> None:
        """Give the reserve back: nothing more will be written here.  OSError when the disk refuses."""
        self._files.truncate(self._fd, self.size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def require_ours(self) -> None:
        """Raise HeldError unless the file under this name is the open one with the size that was left."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError as error:
            raise self._held("the file is gone from under its name") from error
        except OSError as error:
            raise StoreError(_OPERATION, error.strerror or str(error), path=self.path) from error
        if (status.st_dev, status.st_ino) != self._identity:
            raise self._held("another file stands in its place")
        if self._ragged and status.st_size >= self.size:
            self._cut_back()
            if self._ragged:
                raise StoreError(_OPERATION, "an unfinished write cannot be cut off", path=self.path)
        elif status.st_size != self.size:
            raise self._held(f"it has {status.st_size} bytes, but {self.size} were left")

    def _held(self, cause: str) -> HeldError:
        hint = "another program writes this log: stop it, then run `deskhand audit verify`"
        return HeldError(_OPERATION, cause, path=self.path, hint=hint)

    def _cut_back(self) -> None:
        """Remove what a failed write left behind; cutting frees the reserve, so it is asked for again."""
        try:
            self._files.truncate(self._fd, self.size)
        except OSError:
            return  # still ragged: the next write tries again before anything else
        self._ragged = False
        self._reserved = 0
        self.ensure_reserve()


def open_for_writing(path: Path) -> int:
    """A descriptor for an existing segment; a symbolic link in its place is refused (OSError)."""
    return os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))


def new_segment(files: Files, folder: Path, name: str, first_line: bytes) -> OpenSegment:
    """Make a segment whose first line is durable before the file gets its name.

    The folder is not synced yet.  OSError when the disk refuses (FileExistsError: the name is taken); then nothing is
    left behind.
    """
    temporary = folder / f".deskhand-{name}.tmp"
    files.unlink(temporary)
    files.create(temporary, first_line)
    fd = -1
    try:
        fd = open_for_writing(temporary)
        files.rename(temporary, folder / name)
    except BaseException as error:
        if fd >= 0:
            os.close(fd)
        if isinstance(error, Exception):
            files.unlink(temporary)
        raise
    return OpenSegment(files, folder / name, fd, len(first_line))
