"""The spawner: a small single-threaded process that starts handlers for the daemon and ends them when it is gone.

Run as ``python -I -S -X utf8 spawner_main.py`` with a stream socket as stdin.  It reads JSON lines,
``{"start": order}`` and ``{"kill": key, "cut": reason, "force": bool}``; it writes ``{"ready": pid}`` once and one
report per order, after the last process of that attempt is gone.  When the daemon's end of the socket closes, every
attempt is killed, and the spawner exits: with 0 when nothing is left, with 1 when something could not be ended.

Each attempt has a keeper to itself (see ``keeper``), which is used again afterwards; every other child is a leftover of
a keeper that was killed, and is ended.  Standard library only.  Does not know tasks, recipes or the audit log.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from resource import struct_rusage
from typing import Any

if __name__ == "__main__":
    # Without site there is no way to the package; appended, so that nothing beside it can hide the standard library.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from deskhand.handlers import mark
from deskhand.handlers.descendants import ChildBell, become_subreaper, end_children
from deskhand.handlers.keeper import UNFIT
from deskhand.handlers.kept import Kept
from deskhand.handlers.launch import settle
from deskhand.handlers.lines import Reader, Writer

LOG_VARIABLE, RUN_VARIABLE = "DESKHAND_LOG_ID", "DESKHAND_RUN_ID"
"""As in ``orphans``, which is too heavy to be imported here."""
FREE_MAX = 32
"""Keepers without an attempt that are held ready."""
FREE_SECONDS = 60.0
"""How long each of them is."""


class _Spawner:
    def __init__(self, daemon: int) -> None:
        become_subreaper()
        self._from_daemon, self._to_daemon = Reader(daemon), Writer(daemon)
        self._hearing = True
        """Whether the daemon still can ask for something; False from the end of its side on."""
        self._poll = select.poll()
        self._poll.register(daemon, select.POLLIN)
        self._bell = ChildBell()
        self._kept: dict[int, Kept] = {}
        """By descriptor of the reports, and of the orders as long as some wait to be taken."""
        self._keepers: dict[int, Kept] = {}
        """By pid."""
        self._free: list[Kept] = []
        """The last one freed is the first one used, so that those that are too many grow old."""
        self._given_up: set[int] = set()
        """Children that even SIGKILL does not end."""

    def serve(self) -> None:
        """Until the daemon is gone and with it everything that was started."""
        self._say(json.dumps({"ready": os.getpid()}).encode())
        self._flush()
        while self._hearing or self._keepers or self._to_daemon.waiting:
            for fd, events in self._poll.poll(self._patience()):
                if fd == self._from_daemon.fd:
                    self._converse(events)
                elif (kept := self._kept.get(fd)) is not None:
                    self._attend(kept, fd)
            self._dismiss_old()
            if self._to_daemon.waiting:
                self._flush()
        if end_children(self._bell, _forget) or self._given_up:
            sys.exit(1)

    def _patience(self) -> float | None:
        """Milliseconds until a free keeper is too old."""
        if not self._free:
            return None
        return max(0.0, self._free[0].free_since + FREE_SECONDS - time.monotonic()) * 1000 + 1

    def _dismiss_old(self) -> None:
        while self._free and self._free[0].free_since + FREE_SECONDS <= time.monotonic():
            self._dismiss(self._free.pop(0))

    # -- the daemon ----------------------------------------------------------------------------------------------

    def _converse(self, events: int) -> None:
        if self._hearing and events & ~select.POLLOUT:
            lines = self._from_daemon.take()
            if lines is None:
                self._wind_up()
                return
            for line in lines:
                self._do(line, json.loads(line))

    def _do(self, line: bytes, message: dict[str, Any]) -> None:
        if "start" in message:
            self._start(line, message["start"]["key"])
            return
        for kept in self._keepers.values():
            if kept.key == message["kill"]:
                self._tell(kept, line)

    def _say(self, line: bytes) -> None:
        """For the end of this turn: who wakes the daemon for each report makes it change threads for each."""
        self._to_daemon.add(line)

    def _flush(self) -> None:
        """Never wait for the daemon; what it does not take now is sent when it can take more."""
        if not self._to_daemon.flush():
            self._wind_up()
        wanted = (select.POLLIN if self._hearing else 0) | (select.POLLOUT if self._to_daemon.waiting else 0)
        # Without a wish the end of the socket would still be told, again and again.
        if wanted:
            self._poll.register(self._from_daemon.fd, wanted)
        else:
            self._forget_fd(self._from_daemon.fd)

    def _wind_up(self) -> None:
        """The daemon asks for nothing any more: end everything.  Reports are still sent, as far as somebody listens."""
        if not self._hearing:
            return
        self._hearing = False
        if not self._to_daemon.waiting:
            self._forget_fd(self._from_daemon.fd)
        for kept in self._keepers.values():
            if kept.key is not None:
                self._tell(kept, json.dumps({"kill": kept.key, "cut": "drain", "force": True}).encode())
        while self._free:
            self._dismiss(self._free.pop())

    # -- keepers -------------------------------------------------------------------------------------------------

    def _start(self, line: bytes, key: str) -> None:
        try:
            kept = self._ready(line)
        except OSError as error:
            self._say(json.dumps({"key": key, "error": f"cannot start a process: {error.strerror}"}).encode())
            return
        kept.key = key
        self._follow_orders(kept)

    def _ready(self, line: bytes) -> Kept:
        """A keeper that was given *line*."""
        while self._free:
            kept = self._free.pop()
            if kept.orders.put(line):
                return kept
            # It was killed a moment ago; the end of its reports is on the way.
        kept = Kept.fork(self._keepers.values(), self._let_go)
        self._keepers[kept.pid] = self._kept[kept.reports.fd] = kept
        self._poll.register(kept.reports.fd, select.POLLIN)
        kept.orders.put(line)
        return kept

    def _let_go(self) -> None:
        """In a new keeper."""
        self._bell.close()
        os.close(self._from_daemon.fd)

    def _tell(self, kept: Kept, line: bytes) -> None:
        """One that has just died takes nothing; the end of its reports says so."""
        kept.orders.put(line)
        self._follow_orders(kept)

    def _follow_orders(self, kept: Kept) -> None:
        """Be woken when a keeper can take more, as long as there is more."""
        if kept.orders.waiting:
            self._kept[kept.orders.fd] = kept
            self._poll.register(kept.orders.fd, select.POLLOUT)
        elif self._kept.pop(kept.orders.fd, None) is not None:
            self._forget_fd(kept.orders.fd)

    def _attend(self, kept: Kept, fd: int) -> None:
        """A keeper reported, took an order, or has ended."""
        if fd != kept.reports.fd:
            kept.orders.flush()
            self._follow_orders(kept)
            return
        lines = kept.reports.take()
        if lines is None:
            self._ended(kept)
            return
        for line in lines:
            if line.startswith(UNFIT):
                kept.last_words = line[1:]  # said when it has ended, and what it could not end was tried once more
            else:
                self._say(line[1:])
                self._release(kept)

    def _release(self, kept: Kept) -> None:
        kept.key = None
        if not self._hearing or len(self._free) >= FREE_MAX:
            self._dismiss(kept)
            return
        kept.free_since = time.monotonic()
        self._free.append(kept)

    def _dismiss(self, kept: Kept) -> None:
        if self._kept.pop(kept.orders.fd, None) is not None:
            self._forget_fd(kept.orders.fd)
        kept.dismiss()

    def _ended(self, kept: Kept) -> None:
        """A keeper is gone: as it was told to, unfit for more, or killed."""
        del self._keepers[kept.pid], self._kept[kept.reports.fd]
        self._forget_fd(kept.reports.fd)
        if not kept.dismissed:
            self._dismiss(kept)
        if kept in self._free:
            self._free.remove(kept)
        kept.bury()
        left = end_children(self._bell, _forget, {*self._keepers, *self._given_up})
        self._given_up.update(left)
        if kept.key is not None:
            lost = {"key": kept.key, "cut": "spawner", "error": "the process that watched over the attempt died"}
            self._say(kept.last_words or json.dumps(lost).encode())

    def _forget_fd(self, fd: int) -> None:
        try:
            self._poll.unregister(fd)
        except KeyError:
            return


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
    mark.put_on(os.environ.get(LOG_VARIABLE, ""), os.environ.get(RUN_VARIABLE, ""))
    settle()
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
