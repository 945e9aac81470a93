"""Disks that end the process, fail, or go dark at a chosen call, in whichever thread makes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count

from deskhand.store.files import FsyncError, StrPath
from deskhand.testing.faulty_files import FaultyFiles
from deskhand.testing.lossy_files import LossyFiles

CRASHED = 77
"""Exit status of a process that ended at a chosen call."""


class CrashFiles(FaultyFiles):
    """Counts the calls of all threads; ends the process, or raises *error*, at number *at*.

    With *error* the calls up to number *until* fail as well, as on a disk that is full for a while.
    """

    def __init__(self, at: int | None = None, error: int | None = None, *, until: int | None = None) -> None:
        super().__init__(None, error)
        self.at = at
        self.until = at if until is None else until
        self.opened = 0
        """How many calls opening the desk took."""
        self._one = threading.Lock()

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count, and end or fail where told."""
        with self._one:
            self.calls.append(f"{operation} {shown(path)}")
            number = len(self.calls)
            if self.at is None or self.until is None or not self.at <= number <= self.until:
                return
            self.fired = True
        if self.error is None:
            os._exit(CRASHED)
        raise OSError(self.error, os.strerror(self.error))

    def _sync(self, operation: str, call: object, fd: int) -> None:
        """A process that ends loses nothing of what it wrote: the call counts, the disk is left in peace."""
        try:
            self.before(operation, fd)
        except OSError as error:
            raise FsyncError(error.errno, f"{operation} failed: {error.strerror}") from error


class KillFiles(CrashFiles):
    """Ends the process right before the first call for which *when* holds."""

    def __init__(self, when: Callable[[str, str], bool]) -> None:
        """*when* gets the operation and the path."""
        super().__init__()
        self._when = when

    def before(self, operation: str, path: StrPath | int) -> None:
        """Count, and end where told."""
        super().before(operation, path)
        with self._one:
            if self._when(operation, shown(path)):
                os._exit(CRASHED)


class CutFiles(LossyFiles):
    """Cuts the power right before the first call for which *when* holds."""

    def __init__(self, when: Callable[[str, str], bool], lose: Callable[[], bool] = lambda: True) -> None:
        """*when* gets the operation and the path; *lose*: see ``LossyFiles.power_cut``."""
        super().__init__()
        self._when = when
        self._lose = lose

    def before(self, operation: str, path: StrPath | int) -> None:
        """Go dark where told."""
        with self._lock:
            if self._when(operation, shown(path)):
                self.power_cut(self._lose)
                os._exit(CRASHED)
            super().before(operation, path)


def nth(number: int) -> Callable[[str, str], bool]:
    """True at the call with this number."""
    calls = count(1)
    return lambda operation, path: next(calls) == number


def shown(path: StrPath | int) -> str:
    """The path behind a descriptor, or the path."""
    if not isinstance(path, int):
        return os.fspath(path)
    try:
        return os.readlink(f"/proc/self/fd/{path}")
    except OSError:
        return str(path)
