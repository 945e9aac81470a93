"""The spawner's side of one keeper: its process, the pipes to it, and the attempt it is at.

Standard library only: the spawner runs without ``site``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NoReturn

from deskhand.handlers.keeper import serve
from deskhand.handlers.lines import Reader, Writer


class Kept:
    """A running keeper."""

    def __init__(self, pid: int, orders: int, reports: int) -> None:
        self.pid = pid
        self.orders = Writer(orders)
        self.reports = Reader(reports)
        self.key: str | None = None
        """The attempt it is at; None = it is free."""
        self.free_since = 0.0
        """Monotonic seconds."""
        self.last_words = b""
        """The report of a keeper that ends because something may be left: to be said when it has ended."""
        self.dismissed = False
        """Whether it was told to end; its end of the reports is still to come."""

    @classmethod
    def fork(cls, others: Iterable[Kept], let_go: Callable[[], None]) -> Kept:
        """Fork a keeper that knows nothing of the *others*; *let_go* is called in it first.  Raises OSError."""
        theirs, orders = os.pipe()
        try:
            reports, answers = os.pipe()
        except OSError:
            os.close(theirs)
            os.close(orders)
            raise
        try:
            pid = os.fork()
            if pid == 0:
                mine = (orders, reports, *(fd for kept in others for fd in kept.descriptors()))
                _become(theirs, answers, mine, let_go)
            return cls(pid, orders, reports)
        except OSError:
            os.close(orders)
            os.close(reports)
            raise
        finally:
            os.close(theirs)
            os.close(answers)

    def descriptors(self) -> tuple[int, ...]:
        """What the spawner holds open for it."""
        return (self.reports.fd,) if self.dismissed else (self.orders.fd, self.reports.fd)

    def dismiss(self) -> None:
        """Let it end: at once when it is free, else after killing what it watches over."""
        if not self.dismissed:
            self.dismissed = True
            os.close(self.orders.fd)

    def bury(self) -> None:
        """It has ended: reap it, and let go of the pipes."""
        self.dismiss()
        os.close(self.reports.fd)
        os.waitpid(self.pid, 0)


def _become(orders: int, answers: int, not_ours: Iterable[int], let_go: Callable[[], None]) -> NoReturn:
    """In the fork: let go of what is the spawner's, above all of the pipes whose end tells others that it died."""
    try:
        let_go()
        for fd in not_ours:
            os.close(fd)
        serve(orders, answers)
    finally:
        os._exit(1)
