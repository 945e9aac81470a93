"""What wakes the deciding thread, and what tells it to look at the folders.

A socket pair instead of a lock and a condition: a signal handler may ring while the very same thread is waiting, which
would deadlock on a lock.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from math import inf


class Bell:
    """Rung from any thread or signal handler, waited for by one; a ring before the wait is not lost."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._rung = False

    def ring(self) -> None:
        """Wake the waiting thread, now or at its next wait."""
        if self._rung:
            return
        self._rung = True
        try:
            self._theirs.send(b"\0")
        except OSError:
            return  # full: it is rung already; closed: nobody waits any more

    @property
    def wakeup_fd(self) -> int:
        """For ``signal.set_wakeup_fd``: a signal that comes just before the wait begins would not end it otherwise."""
        return self._theirs.fileno()

    def wait(self, timeout: float) -> bool:
        """Sleep until rung or for *timeout* seconds (it may be infinite); whether it was rung."""
        ready, _, _ = select.select([self._ours], [], [], None if timeout == inf else timeout)
        if not ready:
            return False
        try:
            while self._ours.recv(4096):
                continue
        except BlockingIOError:
            pass
        self._rung = False  # last: whoever rang until here without sending has said before what is heard now
        return True

    def close(self) -> None:
        """Release the sockets."""
        self._ours.close()
        self._theirs.close()


class Notice:
    """Something changed in a folder: said by any thread, taken note of by one."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._given = True
        self._anything = True

    def give(self) -> None:
        """Say so, and wake the deciding thread."""
        self._anything = True
        self.give_known()

    def give_known(self) -> None:
        """The same for a change of which the watcher knows where it is."""
        self._given = True
        self._ring()

    def give_quietly(self) -> None:
        """Say so for the next time the deciding thread wakes."""
        self._anything = True
        self._given = True

    def take(self) -> tuple[bool, bool]:
        """Whether it was said since the last call, and whether anything may have changed by it.

        Both are true the first time, because nobody has looked yet.
        """
        if not self._given:
            return False, False  # and nothing is stored: what is said at this very moment is not lost
        self._given = False
        anything, self._anything = self._anything, False
        return True, anything
