"""Waiting for names in a folder from outside the daemon, with the kernel's own events: no polling that eats a core.

Linux only (inotify), like the numbers in ``docs/performance.md``.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

IN_MOVED_TO = 0x80
IN_CREATE = 0x100
_EVENT = struct.Struct("iIII")


class Arrivals:
    """Names that come into one folder, by rename or new, with the moment at which they were heard of."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), IN_MOVED_TO | IN_CREATE) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def wait(self, ending: str, *, count: int = 1, timeout: float = 30.0, nap: float = 0.0) -> float:
        """When the *count*-th name with this ending came in (``perf_counter`` seconds).

        Names that come later stay for the next call only if they are not in the same bunch of events.  With a *nap*
        (seconds) it looks that much later at all that came meanwhile: a flood read name by name costs the one who is
        measured.  TimeoutError when they do not come.
        """
        end = time.perf_counter() + timeout
        while True:
            left = end - time.perf_counter()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                raise TimeoutError(f"{count} more names *{ending} did not come within {timeout:g} s")
            time.sleep(nap)
            data = os.read(self._fd, 1 << 20)
            heard = time.perf_counter()
            count -= sum(name.endswith(ending) for name in _names(data))
            if count <= 0:
                return heard

    def sleep(self) -> None:
        """Until anything comes in, however long that takes."""
        select.select([self._fd], [], [])
        os.read(self._fd, 1 << 20)


def _names(data: bytes) -> list[str]:
    found, at = [], 0
    while at < len(data):
        _, _, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        found.append(os.fsdecode(data[at : at + length].rstrip(b"\0")))
        at += length
    return found
