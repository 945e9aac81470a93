"""Knowing and ending the processes below this one.  Standard library only: the spawner runs without ``site``.

On Linux a *subreaper* inherits every orphan below it, so "no child left" means that nothing is left, however often
a program forked or started its own session.  Elsewhere (macOS) only the program and its process group are ended; what
started its own session there lives on.

Rule: single-threaded processes only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection
from resource import struct_rusage

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
UNENDING = 5.0
"""Seconds after which a process that ignores SIGKILL (stuck in the kernel, another user's) is given up."""

SUBREAPER = sys.platform == "linux"
"""Whether orphans come to us; where not, `children` is empty and only process groups can be ended."""
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Reaped = Callable[[int, int, struct_rusage], None]
"""Called with pid, wait status and resource usage of each process that has ended."""


def _prctl(option: int, value: int) -> None:
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def become_subreaper() -> None:
    """From now on orphans below this process become its children."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when the process *parent* that forked this one ends; exits when it has ended already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(127)


class ChildBell:
    """A descriptor that becomes readable when a child ends.  One per process; a fork needs its own."""

    def __init__(self) -> None:
        self.fd, self._writer = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._writer, False)
        # Without a handler the signal would be discarded and the wake-up descriptor stay silent.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def clear(self) -> None:
        """Make it silent again."""
        try:
            while len(os.read(self.fd, 512)) == 512:
                continue
        except BlockingIOError:
            return

    def wait(self, seconds: float) -> None:
        """Return when a child ended, at the latest after *seconds*."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.poll(seconds * 1000)
        self.clear()

    def close(self) -> None:
        """Forget it (in a fork, before making a new one)."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._writer)


def children() -> list[int]:
    """Pids of this process's children, ended but unreaped ones included."""
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children", "rb") as listing:
            return [int(pid) for pid in listing.read().split()]
    except FileNotFoundError:
        return _children_by_scan(me) if SUBREAPER else []


def _children_by_scan(parent: int) -> list[int]:
    """The same for kernels without that file."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(name))
    return found


def any_child() -> bool:
    """Whether this process has a child, ended but unreaped ones included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def next_ended() -> int | None:
    """Pid of a child that has ended and is not reaped yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


def signal_group(group: int, number: int) -> None:
    """Signal a process group; one that is gone, or another user's, is left alone."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_children(bell: ChildBell, reaped: Reaped, spare: Collection[int] = (), patience: float = UNENDING) -> list[int]:
    """SIGKILL and reap all children and, as they become ours, all that were below them; returns those that live on.

    *spare* are children to leave alone.  Takes *patience* seconds at most.
    """
    if not SUBREAPER:
        return []
    deadline = time.monotonic() + patience
    while True:
        doomed = [pid for pid in children() if pid not in spare]
        # The listing may miss one while another ends, so only the kernel's "no child" is the end of it.
        if not doomed and (spare or not any_child()):
            return []
        for pid in doomed:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        left = [pid for pid in doomed if not _reap(pid, reaped)]
        if time.monotonic() > deadline:
            return left
        if left or not doomed:
            bell.wait(0.02)


def _reap(pid: int, reaped: Reaped) -> bool:
    try:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    if ended:
        reaped(ended, status, usage)
    return bool(ended)
