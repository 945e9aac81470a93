"""Which errors a call that changes the disk can give: one table for the fakes and for the kernel's faults.

Taken from the manual pages of Linux and from what filesystems are known to add to them: those that copy on write need
room to shorten or remove a file, quotas count names as well, and a file on a network may have become stale.  Only the
errors of row 48 stand here; the ones that speak about the path itself (ENOENT, EEXIST, ELOOP ...) are other tests'
matter.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

_ROOM = (errno.ENOSPC, errno.EDQUOT)
_DISK = (errno.EIO, errno.EROFS, errno.ENOMEM, errno.ESTALE)
_RIGHTS = (errno.EACCES, errno.EPERM)
_OPEN = (errno.EMFILE, errno.ENFILE)
_NAME = (errno.ENAMETOOLONG,)
_SYNC = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EINTR)

ERRORS: Mapping[str, tuple[int, ...]] = {
    "create": (*_ROOM, *_DISK, *_RIGHTS, *_OPEN, *_NAME, errno.EINTR),
    "copy": (*_ROOM, *_DISK, *_RIGHTS, *_OPEN, *_NAME, errno.EINTR),
    "append": (*_ROOM, *_DISK, *_RIGHTS, *_OPEN, *_NAME, errno.EINTR),
    "write": (*_ROOM, *_DISK, errno.EPERM, errno.EINTR),
    "pwrite": (*_ROOM, *_DISK, errno.EPERM, errno.EINTR),
    "truncate": (*_ROOM, *_DISK, errno.EPERM, errno.EINTR),
    "preallocate": (*_ROOM, *_DISK, errno.EPERM, errno.EINTR),
    "fsync": _SYNC,
    "fdatasync": _SYNC,
    "syncfs": _SYNC,
    "rename": (*_ROOM, *_DISK, *_RIGHTS, *_NAME, errno.EXDEV, errno.EBUSY),
    "replace": (*_ROOM, *_DISK, *_RIGHTS, *_NAME, errno.EXDEV, errno.EBUSY),
    "unlink": (*_ROOM, *_DISK, *_RIGHTS, *_NAME, errno.EBUSY),
    "mkdir": (*_ROOM, *_DISK, *_RIGHTS, *_NAME),
    "rmtree": (*_ROOM, *_DISK, *_RIGHTS, *_NAME, *_OPEN, errno.EBUSY),
    "chmod": (*_ROOM, *_DISK, *_RIGHTS, *_NAME),
}
"""What ``Files.before`` is told -> what the call may fail with."""

_CALLS = {
    "create": "openat open creat",
    "write": "write writev copy_file_range",
    "pwrite": "pwrite64 pwritev",
    "truncate": "ftruncate truncate",
    "preallocate": "fallocate",
    "fsync": "fsync",
    "fdatasync": "fdatasync",
    "syncfs": "syncfs",
    "rename": "rename renameat renameat2 link linkat",
    "unlink": "unlink unlinkat rmdir",
    "mkdir": "mkdir mkdirat",
    "chmod": "chmod fchmod fchmodat",
}
OPERATION: Mapping[str, str] = {call: operation for operation, calls in _CALLS.items() for call in calls.split()}
"""System call that changes a desk -> the operation whose errors it can give."""


def errors_of(call: str) -> tuple[int, ...]:
    """What can go wrong with one call, as ``CrashFiles.calls`` and ``FaultyFiles.calls`` name it: `operation path`."""
    return ERRORS[call.split(" ", 1)[0]]
