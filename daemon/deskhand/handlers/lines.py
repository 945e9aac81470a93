"""Lines over a pipe or socket, between the spawner and its keepers and the daemon.

A reader never splits a line, a writer never waits: what the other side does not take now is kept for later.
Standard library only: the spawner runs without ``site``.
"""

from __future__ import annotations

import os

BLOCK = 1 << 16


class Reader:
    """Whole lines from a descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""

    def take(self) -> list[bytes] | None:
        """The lines that came since the last call, without their ends; None when nothing will ever come again."""
        try:
            data = os.read(self.fd, BLOCK)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


class Writer:
    """Lines to a descriptor, which is made non-blocking."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.waiting = b""
        """What the other side has not taken yet."""

    def add(self, line: bytes) -> None:
        """Let *line* wait for the next :meth:`flush`."""
        self.waiting += line + b"\n"

    def put(self, line: bytes) -> bool:
        """Send *line* as far as the other side takes it now; False when nobody listens any more."""
        self.add(line)
        return self.flush()

    def flush(self) -> bool:
        """Go on with what is waiting; False when nobody listens any more, and it is dropped."""
        try:
            while self.waiting:
                self.waiting = self.waiting[os.write(self.fd, self.waiting) :]
        except BlockingIOError:
            return True
        except ConnectionError:
            self.waiting = b""
            return False
        return True
