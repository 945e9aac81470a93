"""The spawner: a small single-threaded process that starts handlers for the daemon and ends them when it is gone.

Run as ``python -I -S -X utf8 spawner_main.py`` with a stream socket as stdin.  It reads JSON lines,
``{"start": order}`` and ``{"kill": key, "cut": reason, "force": bool}``; it writes ``{"ready": pid}`` once and one
report per order, after the last process of that attempt is gone.  When the daemon's end of the socket closes, every
attempt is killed, and the spawner exits: with 0 when nothing is left, with 1 when something could not be ended.

Each attempt has a keeper (see ``keeper``); every other child is a leftover of a keeper that was killed, and is ended.
Standard library only.  Does not know tasks, recipes or the audit log.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from resource import struct_rusage
from typing import Any, NamedTuple, NoReturn

if __name__ == "__main__":
    # Without site there is no way to the package; appended, so that nothing beside it can hide the standard library.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from deskhand.handlers.descendants import ChildBell, become_subreaper, end_children
from deskhand.handlers.keeper import keep
from deskhand.handlers.launch import Order


class _Kept(NamedTuple):
    """A running keeper."""

    key: str
    pid: int
    control: int
    result: int


class _Spawner:
    def __init__(self, daemon: int) -> None:
        become_subreaper()
        self._daemon = daemon
        self._hearing = True
        """Whether the daemon still can ask for something; False from the end of its side on."""
        self._incoming = b""
        self._outgoing = b""
        self._bell = ChildBell()
        self._kept: dict[int, _Kept] = {}
        """By descriptor of the result."""
        self._given_up: set[int] = set()
        """Children that even SIGKILL does not end."""
        os.set_blocking(daemon, False)

    def serve(self) -> None:
        """Until the daemon is gone and with it everything that was started."""
        self._say({"ready": os.getpid()})
        while self._hearing or self._kept or self._outgoing:
            poll = select.poll()
            wanted = (select.POLLIN if self._hearing else 0) | (select.POLLOUT if self._outgoing else 0)
            if wanted:
                poll.register(self._daemon, wanted)
            for fd in self._kept:
                poll.register(fd, select.POLLIN)
            for fd, events in poll.poll():
                if fd in self._kept:
                    self._ended(self._kept[fd])
                elif fd == self._daemon:
                    self._converse(events)
        if end_children(self._bell, _forget) or self._given_up:
            sys.exit(1)

    def _converse(self, events: int) -> None:
        if self._outgoing:
            self._flush()
        if self._hearing and events & ~select.POLLOUT:
            self._listen()

    def _listen(self) -> None:
        """Take what the daemon says."""
        try:
            data = os.read(self._daemon, 1 << 16)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._wind_up()
            return
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        for line in lines:
            self._do(json.loads(line))

    def _do(self, message: dict[str, Any]) -> None:
        if "start" in message:
            self._start(Order(**message["start"]))
            return
        for kept in self._kept.values():
            if kept.key == message["kill"]:
                self._tell(kept, message["cut"], force=message["force"])

    def _start(self, order: Order) -> None:
        try:
            kept = self._fork(order)
        except OSError as error:
            self._say({"key": order.key, "error": f"cannot start a process: {error.strerror}"})
            return
        self._kept[kept.result] = kept

    def _fork(self, order: Order) -> _Kept:
        control, tell = os.pipe()
        result, answer = os.pipe()
        try:
            pid = os.fork()
            if pid == 0:
                self._become_keeper(order, control, answer, (tell, result))
            return _Kept(order.key, pid, tell, result)
        except OSError:
            os.close(tell)
            os.close(result)
            raise
        finally:
            os.close(control)
            os.close(answer)

    def _become_keeper(self, order: Order, control: int, answer: int, others: tuple[int, int]) -> NoReturn:
        """In the fork: let go of what is the spawner's, above all of the pipes whose end tells others that it died."""
        try:
            self._bell.close()
            for fd in (
                self._daemon,
                *others,
                *(fd for kept in self._kept.values() for fd in (kept.control, kept.result)),
            ):
                os.close(fd)
            keep(order, control, answer)
        finally:
            os._exit(1)

    def _tell(self, kept: _Kept, cut: str, *, force: bool) -> None:
        try:
            os.write(kept.control, f"{cut} {int(force)}\n".encode())
        except BrokenPipeError:
            return  # It has just ended; its report is on the way.

    def _ended(self, kept: _Kept) -> None:
        """A keeper reported, or died without."""
        with os.fdopen(kept.result, "rb") as result:
            report = result.read()
        os.close(kept.control)
        os.waitpid(kept.pid, 0)
        del self._kept[kept.result]
        spare = {other.pid for other in self._kept.values()} | self._given_up
        left = end_children(self._bell, _forget, spare)
        self._given_up.update(left)
        lost = {"key": kept.key, "cut": "spawner", "error": "the process that watched over the attempt died"}
        self._say(json.loads(report) if report else lost)

    def _say(self, message: dict[str, Any]) -> None:
        self._outgoing += json.dumps(message).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        """Send as much as the daemon takes; never wait for it."""
        try:
            while self._outgoing:
                self._outgoing = self._outgoing[os.write(self._daemon, self._outgoing) :]
        except BlockingIOError:
            return
        except ConnectionError:
            self._outgoing = b""
            self._wind_up()

    def _wind_up(self) -> None:
        """The daemon asks for nothing any more: end everything.  Reports are still sent, as far as somebody listens."""
        self._hearing = False
        for kept in self._kept.values():
            self._tell(kept, "drain", force=True)


def _forget(pid: int, status: int, usage: struct_rusage) -> None:
    """A leftover has ended; it belongs to no attempt that could still be reported."""


def _usual_signals() -> None:
    """Undo what the daemon's thread had blocked and ignored: it would be inherited by every handler."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Serve the daemon on stdin."""
    _usual_signals()
    daemon = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    spawner = _Spawner(daemon)
    # Forks share pages until they are written to; the collector would write to all of them.
    gc.collect()
    gc.disable()
    gc.freeze()
    spawner.serve()


if __name__ == "__main__":
    main()
