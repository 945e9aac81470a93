"""Whether anybody has a file open for writing, and whether that stayed so.

On Linux a read lease (``F_SETLEASE F_RDLCK``) is refused with EAGAIN while anybody has the file open for writing or
mapped writable, and is marked as breaking as soon as somebody opens it for writing; that opener waits until the lease
is gone, so it is held only across check and claim.  It needs the file's owner or CAP_LEASE and a local filesystem;
otherwise, and on systems without leases, the answer is unknown.  On Windows an exclusive open says it.

The kernel announces a break with a signal.  It is set to SIGURG, which is ignored unless somebody asks for it: the
default, SIGIO, would end the process.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deskhand.store.files import StrPath

if sys.platform == "linux":
    import fcntl

SHARING_VIOLATION = 32


class Lease:
    """The answer for one open file."""

    def __init__(self, writer: bool | None, fd: int | None = None) -> None:
        self.writer = writer
        """True: somebody writes; False: nobody does; None: it cannot be known."""
        self._fd = fd

    def intact(self) -> bool:
        """Whether it is certain that nobody has opened the file for writing since the lease was taken."""
        if self._fd is None or sys.platform != "linux":
            return False
        return fcntl.fcntl(self._fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK


@contextmanager
def lease(fd: int, path: StrPath) -> Iterator[Lease]:
    """Hold a read lease on the open file *fd* (found at *path*) while the block runs, if that is possible."""
    if sys.platform == "win32":
        yield Lease(_exclusive_refused(path))
        return
    if sys.platform != "linux":
        yield Lease(None)
        return
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        # EACCES: not the owner; EINVAL, EOPNOTSUPP: this filesystem has no leases.
        yield Lease(True if error.errno == errno.EAGAIN else None)
        return
    try:
        yield Lease(False, fd)
    finally:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def has_writer(fd: int, path: StrPath) -> bool | None:
    """Whether anybody writes to the open file right now; None = unknown."""
    with lease(fd, path) as held:
        return held.writer


def _exclusive_refused(path: StrPath) -> bool | None:
    if sys.platform != "win32":
        return None
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    generic_read, open_existing = 0x80000000, 3
    # Sharing reads only: it fails while anybody, this process included, has the file open for writing.
    handle = kernel.CreateFileW(os.fspath(path), generic_read, 1, None, open_existing, 0, None)
    if handle == ctypes.c_void_p(-1).value:
        return True if ctypes.get_last_error() == SHARING_VIOLATION else None
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return False
