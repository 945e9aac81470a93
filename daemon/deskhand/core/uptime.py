"""For how long a daemon was at work, from the log alone.

A run of the daemon begins with ``daemon.started`` and is known to have lived until its last record.  After a clean
stop it was stopped.  After a run that just ended (a crash, a power cut) nothing is known for as long as a daemon may be
silent, and from then on it was down.  Before the first record there is no data, and nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

SILENCE = 3600.0
"""Seconds without a record after which a daemon is dead: heartbeats are at least hourly."""


class Mark(Struct, frozen=True):
    """What is needed of a record."""

    ts: float
    """Epoch seconds."""
    type: str
    run: str


class Run(Struct, frozen=True):
    """One run of the daemon."""

    begun: float
    last: float
    """When it wrote its last record; epoch seconds."""
    stopped: bool
    """Whether it said that it stops."""


class Uptime(Struct, frozen=True):
    """Seconds of a stretch of time."""

    up: float = 0.0
    stopped: float = 0.0
    """Nobody wanted it to run."""
    down: float = 0.0
    unknown: float = 0.0
    no_data: float = 0.0
    """Before the first record."""
    crashes: int = 0
    """Runs that ended without a word."""

    def availability(self, *, unknown_is_up: bool) -> float | None:
        """Percent of the time in which it was wanted; None when there is none."""
        wanted = self.up + self.down + self.unknown
        return 100.0 * (self.up + (self.unknown if unknown_is_up else 0.0)) / wanted if wanted else None


def runs(marks: Iterable[Mark]) -> list[Run]:
    """The runs that these records, in order, tell of; what commands did without a daemon is none."""
    found: list[Run] = []
    current = ""
    for mark in marks:
        if mark.type == "daemon.started":
            found.append(Run(mark.ts, mark.ts, stopped=False))
            current = mark.run
        elif mark.run == current and found:
            before = found[-1]
            found[-1] = Run(before.begun, max(before.last, mark.ts), mark.type == "daemon.stopped")
    return found


def measure(history: Sequence[Run], since: float, until: float, *, alive: bool) -> Uptime:
    """What became of the time from *since* to *until*; *alive*: whether a daemon answers now, at *until*."""
    parts = dict.fromkeys(("up", "stopped", "down", "unknown", "no_data"), 0.0)
    crashes = 0

    def spend(name: str, begin: float, end: float) -> None:
        parts[name] += max(0.0, min(end, until) - max(begin, since))

    spend("no_data", since, history[0].begun if history else until)
    for index, run in enumerate(history):
        final = index + 1 == len(history)
        following = until if final else history[index + 1].begun
        last = until if final and alive and not run.stopped else run.last
        spend("up", run.begun, last)
        if run.stopped:
            spend("stopped", last, following)
            continue
        spend("unknown", last, min(last + SILENCE, following))
        spend("down", last + SILENCE, following)
        crashes += last < following and since <= last < until
    return Uptime(**parts, crashes=crashes)
