"""A running spawner process and the socket to it: start, JSON lines in both directions, end.

Knows nothing of what the lines say but the first one, ``{"ready": pid}``.  POSIX only so far.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deskhand.errors import RunError

PROGRAM = Path(__file__).with_name("spawner_main.py")
PATIENCE = 10.0
"""Seconds the spawner gets to start, to take an order off our hands, and to end."""
TOGETHER = 8 * 1024
"""Bytes of messages that share a call, about six orders: the first of them begin while the next are prepared."""


class Link:
    """A running spawner process and the socket to it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: socket.socket) -> None:
        self.process = process
        self._ours = ours
        self._rest = b""
        self._unsent = b""

    @classmethod
    def open(cls, marks: Mapping[str, str]) -> Link:
        """Start a spawner with *marks* as its environment.  Raises RunError when it does not come up."""
        if sys.platform == "win32":
            raise RunError("start the spawner", "running handlers is not supported on Windows yet")
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = _start_process(theirs, marks)
            except OSError as error:
                ours.close()
                raise RunError("start the spawner", error.strerror or str(error), path=sys.executable) from error
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(PATIENCE), 0))
        link = cls(process, ours)
        link._await_ready()
        return link

    def _await_ready(self) -> None:
        self._ours.settimeout(PATIENCE)
        first = next(self.reports(), None)
        if first is None or "ready" not in first:
            self.wait()
            raise RunError("start the spawner", "it ended or did not answer", path=PROGRAM)
        self._ours.settimeout(None)

    def send(self, message: Mapping[str, Any], *, later: bool = False) -> None:
        """Hand over a message, unless *later*: then :meth:`flush` does, or the messages that it shares a call with."""
        self._unsent += json.dumps(message).encode() + b"\n"
        if not later or len(self._unsent) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits.  A spawner that takes nothing for 10 s is killed, and every attempt ends as cut off."""
        data, self._unsent = self._unsent, b""
        try:
            while data:
                data = data[self._ours.send(data) :]
        except OSError:
            self.process.kill()

    def reports(self) -> Iterator[dict[str, Any]]:
        """What the spawner says, until it ends."""
        while True:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                yield json.loads(line)
            try:
                data = self._ours.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            self._rest += data

    def finish(self) -> None:
        """Tell it that nothing more will be asked."""
        try:
            self._ours.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def wait(self) -> int:
        """Its exit status; 0 is its word that nothing is left.  One that lives on without its socket is killed."""
        self._ours.close()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _start_process(theirs: socket.socket, marks: Mapping[str, str]) -> subprocess.Popen[bytes]:
    env = dict(marks)
    if "LD_LIBRARY_PATH" in os.environ:
        env["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", str(PROGRAM)],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        # Its traceback, should it die of an error; handlers never get this descriptor.
        stderr=None if sys.stderr is not None else subprocess.DEVNULL,
        cwd="/",
        env=env,
        # Ctrl-C in the terminal is for the daemon, which drains.
        start_new_session=True,
    )
