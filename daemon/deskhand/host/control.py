"""The control socket: one line of JSON in, one line of JSON out.

The kernel says who is calling (peer credentials); only the desk's own user and root are heard.  A command is carried
out by the deciding thread and answered when what it decided is durable.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from deskhand.core.log import Log
from deskhand.core.record import Actor
from deskhand.engine.commands import Command, Reply
from deskhand.errors import DeskhandError
from deskhand.host.address import address

MAX_LINE = 1 << 20
IDLE = 5.0
"""Seconds a caller gets to say what it wants."""

Pending = tuple[Command, "Future[Reply]"]


class Asked(msgspec.Struct, frozen=True):
    """A caller's line."""

    verb: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class Control:
    """Listens on the desk's socket; commands pile up in :meth:`pending` for the deciding thread."""

    def __init__(self, path: Path, ring: Callable[[], None], log: Log) -> None:
        self._path = path
        self._ring = ring
        self._log = log
        self._commands: queue.SimpleQueue[Pending] = queue.SimpleQueue()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen.  The caller holds the desk, so a socket that is there is a dead daemon's."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with address(self._path) as where:
            listener.bind(where)
        self._path.chmod(0o600)
        listener.listen(16)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True)
        self._thread.start()

    def pending(self) -> list[Pending]:
        """Commands that came in since the last call."""
        found = []
        while True:
            try:
                found.append(self._commands.get_nowait())
            except queue.Empty:
                return found

    def close(self) -> None:
        """Stop listening and take the socket away."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        if self._thread is not None:
            self._thread.join(IDLE)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="control-caller", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(IDLE)
            try:
                reply = self._answer(connection)
            except DeskhandError as error:
                reply = {"error": error.as_data()}
            except (OSError, ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
                self._log.debug("a caller was not understood", cause=str(error))
                reply = {"error": {"operation": "control", "cause": f"not understood: {error}", "exit_code": 2}}
            with contextlib.suppress(OSError):
                connection.settimeout(IDLE)
                connection.sendall(msgspec.json.encode(reply) + b"\n")

    def _answer(self, connection: socket.socket) -> dict[str, Any]:
        actor = caller(connection)
        if actor.uid is not None and actor.uid not in (os.getuid(), 0):
            return {"error": {"operation": "control", "cause": "this desk belongs to another user", "exit_code": 6}}
        line = _read_line(connection)
        asked = msgspec.json.decode(line, type=Asked)
        command = Command(asked.verb, actor, asked.arguments)
        promise: Future[Reply] = Future()
        self._commands.put((command, promise))
        self._ring()
        return {"ok": _wait(promise, connection)}


def _wait(promise: Future[Reply], connection: socket.socket) -> Reply:
    """The answer; ConnectionError when nobody is there any more to hear it."""
    poll = select.poll()
    poll.register(connection, 0)  # that the other end is closed is told in any case
    while True:
        try:
            return promise.result(IDLE)
        except TimeoutError:
            if poll.poll(0):
                raise ConnectionError("the caller has gone") from None


def _read_line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        block = connection.recv(1 << 16)
        if not block:
            raise ValueError("the line ended early")
        data += block
        if len(data) > MAX_LINE:
            raise ValueError("the line is too long")
    return data


def caller(connection: socket.socket) -> Actor:
    """Who is at the other end, as the kernel says; unknown where it does not."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return Actor(kind="person", via="command")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return Actor(kind="person", via="command", uid=uid, pid=pid)
