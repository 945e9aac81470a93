"""The command with something in it changed first: ``python -m tests.support.changed CHANGE ... -- ARGUMENTS``.

Changes: ``clock=SECONDS`` shifts the wall clock; ``unsynced=PATTERN`` leaves out every sync of paths that match (a
protection taken out); ``mirror-first`` writes the mirror of the log's head before the record is durable;
``cut=NUMBER``, or ``cut=NUMBER:CALL:PATTERN:FILE``, cuts the power of the desk's disk and ends the process right before
a call that changes the disk: the one with this number (of those named CALL on a path that matches PATTERN, made
while a file that matches FILE exists).
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from glob import glob
from pathlib import Path

from deskhand.cli import main
from deskhand.engine.clock import SystemClock
from deskhand.store.audit_log import AuditLog
from deskhand.store.files import Files, StrPath
from tests.support.loop_disk import cut_power
from tests.support.photo import take_photo

MODULE = "tests.support.changed"


def _clock(argument: str) -> None:
    seconds = float(argument)
    SystemClock.wall = lambda self: time.time() + seconds  # type: ignore[method-assign]


def _unsynced(argument: str) -> None:
    pattern = re.compile(argument)
    sync = Files._sync

    def without(self: Files, operation: str, call: object, fd: int) -> None:
        if not pattern.search(_shown(fd)):
            sync(self, operation, call, fd)

    begin = Files.begin_writing

    def not_even_begun(self: Files, fd: int) -> None:
        if not pattern.search(_shown(fd)):
            begin(self, fd)

    Files._sync = without  # type: ignore[method-assign]
    Files.begin_writing = not_even_begun  # type: ignore[method-assign]


def _mirror_first(argument: str) -> None:
    commit = AuditLog.commit

    def early(self: AuditLog) -> None:
        if self._mirror is not None and self._buffer:
            self._mirror.write(self.log_id, self._link)
        commit(self)

    AuditLog.commit = early  # type: ignore[method-assign]


def _cut(argument: str) -> None:
    number, _, rest = argument.partition(":")
    call, pattern, exists = rest.split(":") if rest else ("", "", "")
    desk, beside = Path(os.environ["DESKHAND_DESK"]), Path(os.environ["BESIDE_THE_DESK"])
    left = [int(number)]
    one = threading.Lock()

    def before(self: Files, operation: str, path: StrPath | int) -> None:
        shown = _shown(path)
        if (call and operation != call) or not re.search(pattern, shown) or (exists and not glob(exists)):
            return
        with one:
            left[0] -= 1
            if left[0]:
                return
            take_photo(desk, beside, f"{operation} {os.path.relpath(shown, desk)}")
            cut_power(desk)  # and no other thread of ours gets to do anything before the end
            os.kill(os.getpid(), signal.SIGKILL)

    Files.before = before  # type: ignore[method-assign]


def _shown(path: StrPath | int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
    except OSError:
        return str(path)


CHANGES: dict[str, Callable[[str], None]] = {
    "clock": _clock,
    "unsynced": _unsynced,
    "mirror-first": _mirror_first,
    "cut": _cut,
}

if __name__ == "__main__":
    border = sys.argv.index("--")
    for change in sys.argv[1:border]:
        name, _, value = change.partition("=")
        CHANGES[name](value)
    sys.argv[1 : border + 1] = []
    main()
