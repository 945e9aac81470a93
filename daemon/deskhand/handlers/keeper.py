"""The process that stands over attempts, one after the other: from the start of each until nothing of it is left.

A fork of the spawner, itself a subreaper: what a handler leaves behind, in whatever session, comes to the keeper of
exactly that attempt.  It starts the program, keeps its output, stops it at the timeout or when told, ends every
leftover, and only then reports and takes the next one.  When the spawner's pipe to it ends, it kills everything and
ends.

Rule: nothing of an attempt stays in it; each has a pipe, a folder and an environment of its own.
Standard library only: the spawner runs without ``site``.
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
from typing import NoReturn

from deskhand.handlers.capture import Capture
from deskhand.handlers.descendants import ChildBell, any_child, become_subreaper, end_children, next_ended, signal_group
from deskhand.handlers.launch import Order, launch
from deskhand.handlers.lines import Reader

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ru_maxrss."""

FIT, UNFIT = b"+", b"-"
"""Before a report: whether the keeper takes the next order, or ends because something of the attempt may be left."""

Report = dict[str, int | float | str | None]
"""The fields of ``attempt.Ended`` that differ from their defaults, and `key`."""


def serve(control: int, answers: int) -> NoReturn:
    """Take orders from *control* until it ends and write a report of each to *answers*; never returns."""
    become_subreaper()
    gc.enable()  # it lives long; what the spawner froze stays out of it, so the shared pages stay shared
    keeper = _Keeper(Reader(control), ChildBell())
    try:
        while (order := keeper.next_order()) is not None:
            report, fit = keeper.keep(order)
            os.write(answers, (FIT if fit else UNFIT) + json.dumps(report).encode() + b"\n")
            if not fit:
                break
    except BrokenPipeError:
        os._exit(0)  # the spawner died, and nothing is left
    os._exit(0)


class _Keeper:
    """What lasts from one attempt to the next: the orders, and the bell that children ring."""

    def __init__(self, control: Reader, bell: ChildBell) -> None:
        self._control = control
        self._bell = bell
        self._said: list[bytes] = []
        """Lines that came and were not looked at yet."""

    def next_order(self) -> Order | None:
        """Wait for the next order; None when there will be none."""
        while True:
            while self._said:
                message = json.loads(self._said.pop(0))
                if "start" in message:
                    return Order(**message["start"])
                # Else it says to kill what has just been reported.
            lines = self._control.take()
            if lines is None:
                return None
            self._said = lines

    def keep(self, order: Order) -> tuple[Report, bool]:
        """Run *order* to its end; how it was, and whether this process is fit for another attempt."""
        report: Report = {"key": order.key}
        try:
            run = _Run(order, self._control, self._bell, self._said)
            report |= run.to_the_end()
        except Exception as error:  # noqa: BLE001 - reported; the spawner kills what is alive when this process ends
            return report | {"cut": "spawner", "error": f"what watched over the attempt failed: {error!r}"}, False
        return report, not run.survivors


class _Run:
    """One attempt."""

    def __init__(self, order: Order, control: Reader, bell: ChildBell, said: list[bytes]) -> None:
        """*said*: what came right behind the order."""
        self._order = order
        self._control = control
        self._said = said
        self._bell = bell
        self._output = Capture(order.log, order.output_cap)
        self._poll = select.poll()
        for fd in (control.fd, bell.fd, self._output.reader):
            self._poll.register(fd, select.POLLIN)
        self._pid: int | None = None
        self._status: int | None = None
        self._cut: str | None = None
        self.survivors: list[int] = []
        """Processes that cannot be ended."""
        self._deadline = float("inf")
        self._cpu = 0.0
        self._memory = 0

    def to_the_end(self) -> Report:
        """Start the program, see it to its end, and say how it was."""
        began = time.monotonic()
        self._pid, problem = launch(self._order, self._output.writer)
        self._output.started()
        self._deadline = began + self._order.timeout
        self._obey(self._said)
        while self._pid is not None and self._status is None and not self.survivors:
            self._turn()
        if any_child():
            self.survivors = end_children(self._bell, self._account)
        self._output.drain()
        self._output.close()
        return self._report(problem, time.monotonic() - began)

    def _turn(self) -> None:
        """Wait for the next thing to happen and deal with it."""
        left = max(0.0, self._deadline - time.monotonic())
        ready = {fd for fd, _ in self._poll.poll(min(left * 1000 + 1, 3_600_000))}
        if self._output.reader in ready and not self._output.pump():
            self._poll.unregister(self._output.reader)
        if self._bell.fd in ready:
            self._bell.clear()
            self._reap()
        if self._control.fd in ready and self._status is None:
            self._listen()
        if self._status is None and time.monotonic() >= self._deadline:
            self._stop("timeout", force=self._cut is not None)

    def _reap(self) -> None:
        """Take what has ended.  The program's group dies with it, while its unreaped leader still holds the number."""
        while (pid := next_ended()) is not None:
            if pid == self._pid:
                signal_group(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            self._account(pid, status, usage)

    def _account(self, pid: int, status: int, usage: struct_rusage) -> None:
        self._cpu += usage.ru_utime + usage.ru_stime
        self._memory = max(self._memory, usage.ru_maxrss * RSS_UNIT)
        if pid == self._pid:
            self._status = status

    def _listen(self) -> None:
        """Hear what the spawner says; the end of the pipe means that it is gone."""
        lines = self._control.take()
        if lines is None:
            self._poll.unregister(self._control.fd)
            self._stop("spawner", force=True)
        else:
            self._obey(lines)

    def _obey(self, lines: list[bytes]) -> None:
        for message in map(json.loads, lines):
            if message.get("kill") == self._order.key:
                self._stop(message["cut"], force=message["force"])

    def _stop(self, reason: str, *, force: bool) -> None:
        """SIGTERM to the group, SIGKILL to everything after the grace; the first reason is the one that is reported."""
        if self._pid is None or self._status is not None:
            return  # It has ended; the number of its group may be somebody else's by now.
        again = self._cut is not None
        self._cut = self._cut or reason
        if force:
            signal_group(self._pid, signal.SIGKILL)
            self.survivors = end_children(self._bell, self._account)
        elif not again:
            signal_group(self._pid, signal.SIGTERM)
            # A stopped program could not even notice.
            signal_group(self._pid, signal.SIGCONT)
            self._deadline = time.monotonic() + GRACE

    def _report(self, not_started: str | None, duration: float) -> Report:
        living = f"processes that cannot be ended: {self.survivors}" if self.survivors else None
        report: Report = {
            "cut": self._cut if not_started is None else None,
            "output_bytes": self._output.seen,
            "dropped_bytes": self._output.dropped,
            "cpu_s": self._cpu,
            "memory_bytes": self._memory,
            "duration_s": duration,
            "error": not_started or living,
            "log_error": self._output.problem,
        }
        if self._status is not None and not_started is None:
            if os.WIFSIGNALED(self._status):
                report["signal"] = os.WTERMSIG(self._status)
            else:
                report["exit"] = os.WEXITSTATUS(self._status)
        return report
