"""Running something in a fork of the test's process, and hearing how it ended.

A fork dies with the one that made it, so a test that is stopped leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def in_child(call: Callable[[], int | object]) -> tuple[int, str]:
    """Run *call* in a fork of this process: its exit status (what it returned, or 0) and what went wrong."""
    return join(*fork(call))


def spread(places: Sequence[P], points: Sequence[T], call: Callable[[P, T], object]) -> None:
    """Run *call* for every point, in all places at the same time; fails with all that failed."""

    def share(number: int) -> None:
        for point in points[number :: len(places)]:
            call(places[number], point)

    children = [fork(partial(share, number)) for number in range(len(places))]
    failed = [said for code, said in [join(*child) for child in children] if code]
    assert not failed, "\n".join(failed)


def fork(call: Callable[[], int | object]) -> tuple[int, int]:
    """Begin *call* in a fork: its process, and the pipe that will say what went wrong; see :func:`join`."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            result = call()
            code = result if isinstance(result, int) else 0
        except BaseException:
            os.write(write, traceback.format_exc()[-8000:].encode())
        finally:
            os._exit(code)
    os.close(write)
    return pid, read


def join(pid: int, read: int) -> tuple[int, str]:
    """Wait until it is over: its exit status and what went wrong."""
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
