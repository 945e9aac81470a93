"""Readable log lines on a terminal, a pipe or a service manager's socket, which may stop reading at any moment.

Rules: whoever does not read costs lines, never time: nothing here waits, and the next line that gets through says how
many were lost.  Lines stay whole: the rest of one that was cut short goes out first.  A reader that is gone is not
written to again.

The descriptor's own flags are left alone: a terminal is shared with the shell, and `O_NONBLOCK` set here would be set
there.  So a pipe or a terminal is opened a second time through `/proc`; a socket takes the flag with each call; a file
never makes anybody wait.  Where none of that is possible (another user's terminal) it is asked first whether there is
room, and written in pieces that a pipe takes whole.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

Send = Callable[[bytes], int]
"""Writes what it can at once and returns the number of bytes; BlockingIOError when there is no room."""
_PIECE = 512
"""Bytes that POSIX lets a pipe with room take whole (PIPE_BUF is at least this)."""


class Console:
    """Text on a stream, without ever waiting for its reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._send = _sender(stream)
        self._left = b""
        self.lost = 0
        """Lines that found no room since the last one that did."""
        self.gone = False
        """Nobody will read any more."""

    def write(self, line: str) -> bool:
        """Show one line (LF included) or drop it; False when it was dropped."""
        if self.gone:
            return False
        data = line.encode(getattr(self._stream, "encoding", None) or "utf-8", "backslashreplace")
        try:
            if not self._flush():
                self.lost += 1
                return False
            self._left = data
            self._flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._give_up()
            return False
        self.lost = 0
        return True

    def _flush(self) -> bool:
        """Write what is left of earlier lines; whether all of it is out."""
        while self._left:
            try:
                self._left = self._left[self._send(self._left) :]
            except BlockingIOError:
                return False
        return True

    def _give_up(self) -> None:
        """What the stream still buffers goes nowhere, else the interpreter would fail over it at its end."""
        self.gone = True
        with suppress(OSError, ValueError):  # no file, or not even that is possible
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


def _sender(stream: TextIO) -> Send:
    """How to write to *stream* without waiting."""
    try:
        fd = stream.fileno()
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return _through(stream)
    if stat.S_ISREG(mode):
        return lambda data: os.write(fd, data)
    if stat.S_ISSOCK(mode):
        return lambda data: _to_socket(fd, data)
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        again = os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return lambda data: _if_room(fd, data)
    return lambda data: os.write(again, data)


def _through(stream: TextIO) -> Send:
    def send(data: bytes) -> int:
        stream.write(data.decode("utf-8", "replace"))
        stream.flush()
        return len(data)

    return send


def _to_socket(fd: int, data: bytes) -> int:
    with socket.socket(fileno=os.dup(fd)) as end:
        return end.send(data, getattr(socket, "MSG_DONTWAIT", 0))


def _if_room(fd: int, data: bytes) -> int:
    if hasattr(select, "poll"):
        asked = select.poll()
        asked.register(fd, select.POLLOUT)
        if not asked.poll(0):
            raise BlockingIOError
    return os.write(fd, data[:_PIECE])
