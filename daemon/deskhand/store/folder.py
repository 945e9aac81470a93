"""A folder held open, so that nothing on the way to what is in it can be swapped for a link.

Rules: no link is ever followed; nothing is opened that may block; names are text with undecodable bytes kept as
surrogates, as ``os.fsdecode`` makes them.  It only reads.  Where the system has no folder descriptors (Windows), paths
are used and the guarantee is weaker.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from deskhand.core.settle import Kind, Observation

BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
READ_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
) | getattr(os, "O_BINARY", 0)
FOLDER_FLAGS = READ_FLAGS | getattr(os, "O_DIRECTORY", 0)


class Entry(Struct, frozen=True, gc=False):
    """A name in a folder and what stood under it when it was read."""

    name: str
    kind: Kind
    dev: int
    ino: int
    uid: int
    nlink: int
    size: int
    mtime_ns: int
    ctime_ns: int


def kind_of(mode: int) -> Kind:
    """What a mode from ``lstat`` says."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.SPECIAL


def entry_of(name: str, found: os.stat_result) -> Entry:
    """The entry for *name* from its ``lstat`` or ``fstat``."""
    return Entry(
        *(name, kind_of(found.st_mode), found.st_dev, found.st_ino, found.st_uid, found.st_nlink),
        *(found.st_size, found.st_mtime_ns, found.st_ctime_ns),
    )


def observation(entry: Entry) -> Observation:
    """What the settle rules want to know of anything but a folder."""
    return Observation(entry.kind, entry.dev, entry.ino, entry.size, entry.mtime_ns, entry.ctime_ns)


class Folder:
    """An open folder; a context manager.  OSError (ELOOP or ENOTDIR for a link) when it cannot be opened."""

    def __init__(self, path: Path, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: Path) -> Self:
        """The folder at *path*; the last part of the path must not be a link."""
        if not BY_DESCRIPTOR:
            os.stat(path)
            return cls(path, None)
        return cls(path, os.open(path, FOLDER_FLAGS))

    def folder(self, name: str) -> Folder:
        """The folder *name* in this one."""
        path = self.path / name
        return Folder(path, None if self._fd is None else os.open(name, FOLDER_FLAGS, dir_fd=self._fd))

    def file(self, name: str) -> int:
        """A descriptor for reading the file *name*; never blocks, whatever stands there.  The caller closes it."""
        if self._fd is None:
            return os.open(self.path / name, READ_FLAGS)
        return os.open(name, READ_FLAGS, dir_fd=self._fd)

    def look(self, name: str) -> Entry:
        """What stands under *name* now.  FileNotFoundError when nothing does."""
        if self._fd is None:
            return entry_of(name, os.lstat(self.path / name))
        return entry_of(name, os.stat(name, dir_fd=self._fd, follow_symlinks=False))

    def link_target(self, name: str) -> str:
        """Where the link *name* points; the target is not looked at."""
        return os.readlink(self.path / name) if self._fd is None else os.readlink(name, dir_fd=self._fd)

    def entries(self) -> Iterator[Entry]:
        """Every name in no particular order, one at a time; what vanishes meanwhile is left out."""
        with os.scandir(self.path if self._fd is None else self._fd) as listing:
            for found in listing:
                try:
                    yield (
                        self.look(found.name)
                        if self._fd is None
                        else entry_of(found.name, found.stat(follow_symlinks=False))
                    )
                except FileNotFoundError:
                    continue

    def close(self) -> None:
        """Let go of it; calling it again does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
