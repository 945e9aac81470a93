"""Making everything new on the desk's filesystem durable with one call, however many files there are.

``syncfs`` costs a batch what one or two ``fsync`` cost: 64 new files of 1 KiB took 2 ms instead of 28.  Rules: it is
used only where it is known to report failed writes (Linux 5.8 and newer, filesystems named here); one descriptor is
held from the beginning, because errors before it was opened are not told; after a failure nothing here succeeds any
more.  It also writes what other programs left unwritten: when that takes long, a few drops are synced one by one for a
while.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from deskhand.store.files import Files, FsyncError
from deskhand.store.mounts import filesystem

REPORTING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"})
"""Filesystems whose ``syncfs`` tells of failed writes."""
OLDEST = (5, 8)
"""The first Linux whose ``syncfs`` does."""
SLOW = 0.1
"""Seconds; a call that took longer also wrote for somebody else."""
ALONE = 2
"""Drops that are synced one by one: a sync of each then takes no longer than one of everything."""
FEW = 8
"""The same after a slow one."""
PAUSE = 30.0
"""Seconds without another try after a slow one."""


class Together:
    """One filesystem.  Safe for use by several threads."""

    def __init__(self, files: Files, fd: int | None, seconds: Callable[[], float] = time.monotonic) -> None:
        """*fd*: any folder of the filesystem, open for good; None where files have to be synced one by one."""
        self._files = files
        self._fd = fd
        self._seconds = seconds
        self._alone_until = 0.0
        self._lock = threading.Lock()
        self._failed = False

    @classmethod
    def open(cls, files: Files, folder: Path) -> Self:
        """For the filesystem of *folder*."""
        return cls(files, os.open(folder, os.O_RDONLY) if _reports(folder) else None)

    def ready(self, count: int) -> bool:
        """Whether :meth:`sync_everything` is the way to make *count* drops durable now."""
        few = FEW if self._seconds() < self._alone_until else ALONE
        return self._fd is not None and count > few

    def sync_everything(self) -> None:
        """Make everything that was written, made or renamed on the filesystem durable.  FsyncError when that failed."""
        if self._fd is None:
            raise FsyncError(errno.EOPNOTSUPP, "this filesystem cannot be synced as a whole")
        with self._lock:
            if self._failed:
                raise FsyncError(errno.EIO, "an earlier sync of the filesystem failed; restart to recover")
            began = self._seconds()
            try:
                self._files.sync_filesystem(self._fd)
            except FsyncError:
                self._failed = True
                raise
            now = self._seconds()
            if now - began > SLOW:
                self._alone_until = now + PAUSE

    def close(self) -> None:
        """Let go of the filesystem."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def _reports(folder: Path) -> bool:
    if sys.platform != "linux" or filesystem(folder) not in REPORTING:
        return False
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST
