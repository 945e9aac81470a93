"""The process that stands over one attempt, from its start until nothing of it is left.

A fork of the spawner for every attempt, itself a subreaper: what a handler leaves behind, in whatever session, comes
to the keeper of exactly that attempt.  It starts the program, keeps its output, stops it at the timeout or when
told, ends every leftover, and only then reports.  When the spawner's pipe to it ends, it kills everything.

Standard library only: the spawner runs without ``site``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from resource import struct_rusage
from typing import NoReturn

from deskhand.handlers.capture import Capture
from deskhand.handlers.descendants import ChildBell, become_subreaper, end_children, next_ended, signal_group
from deskhand.handlers.launch import Order, launch

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of ru_maxrss."""

Report = dict[str, int | float | str | None]
"""The fields of ``attempt.Ended`` that differ from their defaults, and `key`."""


def keep(order: Order, control: int, result: int) -> NoReturn:
    """Run *order* to its end and write the report to *result*; never returns."""
    report: Report = {"key": order.key}
    try:
        report |= _Keeper(order, control).run()
    except Exception as error:  # noqa: BLE001 - reported; the spawner kills what is alive when this process ends
        report |= {"cut": "spawner", "error": f"what watched over the attempt failed: {error!r}"}
    try:
        os.write(result, json.dumps(report).encode())
    finally:
        os._exit(0)


class _Keeper:
    def __init__(self, order: Order, control: int) -> None:
        become_subreaper()
        self._order = order
        self._control = control
        self._bell = ChildBell()
        self._output = Capture(order.log, order.output_cap)
        self._poll = select.poll()
        for fd in (control, self._bell.fd, self._output.reader):
            self._poll.register(fd, select.POLLIN)
        self._pid = 0
        self._status: int | None = None
        self._cut: str | None = None
        self._survivors: list[int] = []
        self._deadline = float("inf")
        self._cpu = 0.0
        self._memory = 0

    def run(self) -> Report:
        """Start the program, see it to its end, and say how it was."""
        began = time.monotonic()
        self._pid, problem = launch(self._order, self._output.writer)
        self._output.started()
        self._deadline = began + self._order.timeout
        while self._status is None and not self._survivors:
            self._turn()
        self._survivors = end_children(self._bell, self._account)
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
        if self._control in ready and self._status is None:
            self._obey()
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

    def _obey(self) -> None:
        """Read `<reason> <0|1>` lines; the end of the pipe means that the spawner is gone."""
        data = os.read(self._control, 4096)
        if not data:
            self._poll.unregister(self._control)
            self._stop("spawner", force=True)
        for line in data.decode().splitlines():
            reason, _, force = line.partition(" ")
            self._stop(reason, force=force == "1")

    def _stop(self, reason: str, *, force: bool) -> None:
        """SIGTERM to the group, SIGKILL to everything after the grace; the first reason is the one that is reported."""
        if self._status is not None:
            return  # It has ended; the number of its group may be somebody else's by now.
        again = self._cut is not None
        self._cut = self._cut or reason
        if force:
            signal_group(self._pid, signal.SIGKILL)
            self._survivors = end_children(self._bell, self._account)
        elif not again:
            signal_group(self._pid, signal.SIGTERM)
            # A stopped program could not even notice.
            signal_group(self._pid, signal.SIGCONT)
            self._deadline = time.monotonic() + GRACE

    def _report(self, not_started: str | None, duration: float) -> Report:
        living = f"processes that cannot be ended: {self._survivors}" if self._survivors else None
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
