"""The output of one attempt: kept in its log file up to a cap, counted beyond it.

Standard library only: the spawner runs without ``site``.  The file is made with the first byte, so an attempt that
says nothing leaves none.  A log that cannot be written never stops the attempt: its output is counted as dropped.
"""

from __future__ import annotations

import os

BLOCK = 64 * 1024
"""Bytes read at a time."""
DRAIN_BLOCKS = 64
"""Blocks read after the end: more than any pipe holds."""


class Capture:
    """Both ends of the pipe that is stdout and stderr of a program."""

    def __init__(self, log: str, cap: int) -> None:
        self._log = log
        self._room = cap
        self._file: int | None = None
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.seen = 0
        """Bytes that came."""
        self.dropped = 0
        """Bytes of them that are not in the log."""
        self.problem: str | None = None
        """Why output within the cap was dropped."""

    def started(self) -> None:
        """The program has its end of the pipe; without ours, its last process's death is the end of the output."""
        os.close(self.writer)

    def pump(self) -> bool:
        """Take what is there, at most one block; False when nothing can ever come again."""
        try:
            data = os.read(self.reader, BLOCK)
        except BlockingIOError:
            return True
        self.seen += len(data)
        kept = data[: self._room] if self._room > 0 else b""
        self.dropped += len(data) - len(kept)
        if kept:
            self._room -= len(kept)
            self._keep(kept)
        return bool(data)

    def drain(self) -> None:
        """Take what is left in the pipe; bounded, for a process that could not be ended may still be writing."""
        for _ in range(DRAIN_BLOCKS):
            before = self.seen
            self.pump()
            if before == self.seen:
                return

    def close(self) -> None:
        """Let go of the pipe and the file."""
        os.close(self.reader)
        if self._file is not None:
            os.close(self._file)

    def _keep(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            if self._file is None:
                # O_EXCL: a name that the handler made itself (a FIFO, a link) is never written through.
                self._file = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self.problem = error.strerror or str(error)
            self.dropped += len(view)
            self._room = 0
