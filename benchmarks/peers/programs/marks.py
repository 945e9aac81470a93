"""Marks: a line per run in one file, written by the tasks themselves, and waiting for the next one.

Standard library only: it runs in the environments of all contenders.  A line is ``<name> <monotonic ns>``, appended by
one write, so lines of several processes do not mix.  Nothing is synced: a mark survives the process, not a power cut.
"""

from __future__ import annotations

import ctypes
import os
import select
import time

IN_MODIFY = 0x2
_open: dict[tuple[int, str], int] = {}


def mark(path: str, name: str) -> None:
    """Say that the task *name* has run, now."""
    place = (os.getpid(), path)  # after a fork every process opens the file for itself
    if place not in _open:
        _open[place] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(_open[place], b"%s %d\n" % (name.encode(), time.monotonic_ns()))


class Changes:
    """Waiting until a file grows, with the kernel's own events."""

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(path), IN_MODIFY) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)

    def clear(self) -> None:
        """Forget what happened so far."""
        while select.select([self._fd], [], [], 0)[0]:
            os.read(self._fd, 1 << 16)

    def wait(self, timeout: float) -> float:
        """The moment at which the next change was heard of (monotonic seconds); TimeoutError when none comes."""
        if not select.select([self._fd], [], [], timeout)[0]:
            raise TimeoutError(f"no mark within {timeout:g} s")
        os.read(self._fd, 1 << 16)
        return time.monotonic()
